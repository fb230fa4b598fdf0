// The texts of AWS' tools: profile files, the words of a command line, STS' XML. The first byte chooses which.
//
// Drives IniFile, Profiles, shell_words, xml_text. What they give are views into the input, read here to their last byte.
#include "secrets/aws/profiles.h"
#include "secrets/aws/shell_words.h"
#include "secrets/aws/xml.h"

#include <cstdint>
#include <cstdlib>
#include <string>

namespace {

using namespace sallyport;
using namespace sallyport::secrets::aws;

std::size_t touched = 0;

void touch(std::string_view text) {
  for (const char c : text) touched += static_cast<unsigned char>(c);
}

void profiles(std::string_view text) {
  auto config = IniFile::parse(Secret::copy_of(text), "/config");
  auto credentials = IniFile::parse(Secret::copy_of(text), "/credentials");
  if (!config || !credentials) {
    if (config.has_value() != credentials.has_value()) std::abort();
    if (config.error().where.empty()) std::abort();
    return;
  }
  for (const auto& section : config->sections()) {
    touch(section.name);
    for (const auto& entry : section.entries) {
      touch(entry.value);
      for (const auto& [key, value] : entry.nested) touch(key), touch(value);
    }
  }
  const Profiles files{std::move(*config), std::move(*credentials)};
  for (const auto& name : files.names()) {
    if (!files.has(name)) std::abort();
    for (const auto* key : {"region", "role_arn", "aws_access_key_id"}) {
      touch(files.value(name, key));
      const auto plain = files.text(name, key);
      if (plain && *plain != files.value(name, key)) std::abort();
      if (!files.value(name, key).empty() && !files.has(name, key)) std::abort();
    }
  }
}

void xml(std::string_view text) {
  const auto found = xml_text(text, {"A", "B"});
  if (!found) return;
  touch(*found);
  if (found->data() < text.data() || found->data() + found->size() > text.data() + text.size()) {
    if (!found->empty()) std::abort();
  }
  if (found->find_first_of("<&") != std::string_view::npos) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::string_view text{reinterpret_cast<const char*>(data + 1), size - 1};
  if (data[0] % 3 == 0) {
    profiles(text);
  } else if (data[0] % 3 == 1) {
    if (const auto words = shell_words(text)) {
      for (const auto& word : *words) touch(word);
    }
  } else {
    xml(text);
  }
  return 0;
}
