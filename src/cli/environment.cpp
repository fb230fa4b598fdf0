#include "cli/environment.h"

#include <pwd.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>

namespace sallyport::cli {

namespace {

// What libraries look up behind our back, and what holds no secret.
bool is_harmless(std::string_view name) {
  static constexpr std::string_view names[] = {"PATH", "HOME",  "USER",   "LANG",     "LANGUAGE",
                                               "TZ",   "TERM",  "TMPDIR", "NO_COLOR", "HOSTNAME",
                                               "PWD",  "SHELL", "COLUMNS"};
  for (const auto known : names) {
    if (name == known) return true;
  }
  return name.starts_with("LC_") || name.starts_with("XDG_") || name.starts_with("ASAN_") ||
         name.starts_with("UBSAN_") || name.starts_with("TSAN_") || name.starts_with("LSAN_");
}

}  // namespace

Environment Environment::take_over() {
  Environment taken;
  std::size_t total = 0;
  for (char** entry = environ; *entry != nullptr; ++entry) total += std::strlen(*entry);
  taken.initial_ = Secret::of_size(total);
  auto bytes = taken.initial_.writable();
  std::vector<std::pair<std::string, std::string>> kept;
  std::size_t at = 0;
  for (char** entry = environ; *entry != nullptr; ++entry) {
    const std::string_view text{*entry};
    const auto equals = text.find('=');
    if (equals == std::string_view::npos || equals == 0) {
      wipe_memory(*entry, text.size());
      continue;
    }
    const std::string name{text.substr(0, equals)};
    const auto value = text.substr(equals + 1);
    std::memcpy(bytes.data() + at, value.data(), value.size());
    taken.values_.emplace(name, Place{at, value.size()});  // the first of its name, as getenv has it
    at += value.size();
    if (is_harmless(name)) kept.emplace_back(name, value);
    wipe_memory(*entry, text.size());
  }
  clearenv();
  for (const auto& [name, value] : kept) setenv(name.c_str(), value.c_str(), 0);  // the first of its name
  return taken;
}

std::optional<Secret> Environment::secret(std::string_view name) const {
  const auto found = values_.find(name);
  if (found == values_.end()) return std::nullopt;
  return Secret::copy_of(initial_.reveal().substr(found->second.at, found->second.size));
}

std::string Environment::plain(std::string_view name) const {
  const auto found = values_.find(name);
  if (found == values_.end()) return {};
  return std::string{initial_.reveal().substr(found->second.at, found->second.size)};
}

std::string Environment::home() const {
  if (auto home = plain("HOME"); !home.empty()) return home;
  const auto* account = getpwuid(getuid());
  return account == nullptr || account->pw_dir == nullptr ? "" : account->pw_dir;
}

std::vector<std::string> Environment::names() const {
  std::vector<std::string> all;
  for (const auto& [name, place] : values_) all.push_back(name);
  return all;
}

void Environment::set(const std::string& name, std::string_view value) {
  replaced_.insert_or_assign(name, Secret::copy_of(value));
}

void Environment::set(const std::string& name, const Secret& value) {
  replaced_.insert_or_assign(name, value.clone());
}

void Environment::remove(std::string_view name) { replaced_.insert_or_assign(std::string{name}, Secret{}); }

Environment::Block Environment::block() const {
  std::vector<std::pair<std::string_view, std::string_view>> entries;
  for (const auto& [name, place] : values_) {
    if (!replaced_.contains(name)) entries.emplace_back(name, initial_.reveal().substr(place.at, place.size));
  }
  for (const auto& [name, value] : replaced_) {
    if (!value.empty()) entries.emplace_back(name, value.reveal());
  }
  std::size_t total = 0;
  for (const auto& [name, value] : entries) total += name.size() + value.size() + 2;
  Block block{WipedBytes(total + 1), {}};
  auto* at = reinterpret_cast<char*>(block.bytes.data());
  for (const auto& [name, value] : entries) {
    block.pointers.push_back(at);
    std::memcpy(at, name.data(), name.size());
    at[name.size()] = '=';
    std::memcpy(at + name.size() + 1, value.data(), value.size());
    at += name.size() + value.size() + 2;  // the bytes came zeroed
  }
  block.pointers.push_back(nullptr);
  return block;
}

}  // namespace sallyport::cli
