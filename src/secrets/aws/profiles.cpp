// Source: Python 3.11 configparser.RawConfigParser() and botocore's configloader, whose tests of ours compare with
// (test/e2e/test_aws_identity.py).
#include "secrets/aws/profiles.h"

#include "base/ascii.h"
#include "secrets/aws/shell_words.h"

#include <algorithm>

namespace sallyport::secrets::aws {

namespace {

constexpr std::string_view blank = " \t\r\f\v";
constexpr std::size_t text_bytes_max = 4096;

std::string_view trimmed(std::string_view text) {
  const auto start = text.find_first_not_of(" \t\r\n\f\v");
  if (start == std::string_view::npos) return {};
  return text.substr(start, text.find_last_not_of(" \t\r\n\f\v") - start + 1);
}

bool is_comment(std::string_view line) {
  const auto start = line.find_first_not_of(blank);
  return start != std::string_view::npos && (line[start] == '#' || line[start] == ';');
}

/// Reads line by line. What is indented deeper than the key above belongs to that key.
class IniReader {
 public:
  IniReader(std::string_view text, const std::string& path) : rest_(text), path_(path) {}

  Result<std::vector<IniFile::Section>> read() {
    while (!rest_.empty()) {
      const auto end = rest_.find('\n');
      const auto line = rest_.substr(0, end);
      rest_.remove_prefix(end == std::string_view::npos ? rest_.size() : end + 1);
      ++number_;
      if (is_comment(line) || trimmed(line).empty()) continue;
      if (auto taken = take(line); !taken) return std::move(taken).error();
    }
    return std::move(sections_);
  }

 private:
  [[nodiscard]] Error fault(const char* what) const {
    return {ErrorCode::bad_config,
            Hop::secret_source,
            path_ + " line " + std::to_string(number_),
            what,
            "Correct the file; `aws configure list` reads it too",
            {}};
  }

  Result<void> take(std::string_view line) {
    const auto indent = line.find_first_not_of(blank);
    if (entry_ != nullptr && indent > indent_) return continued(line);
    indent_ = indent;
    const auto text = trimmed(line);
    if (text.front() == '[') return section(text);
    if (sections_.empty()) return fault("a key stands before the first [section]");
    const auto split = text.find_first_of("=:");
    if (split == std::string_view::npos || split == 0)
      return fault("neither a [section] nor a line `key = value`");
    std::string key = to_lower(trimmed(text.substr(0, split)));
    auto& entries = sections_.back().entries;
    for (const auto& other : entries) {
      if (other.key == key) return fault("a key stands twice in its section");
    }
    entries.push_back({std::move(key), trimmed(text.substr(split + 1)), {}});
    entry_ = &entries.back();
    return {};
  }

  Result<void> section(std::string_view text) {
    const auto end = text.rfind(']');
    if (end == std::string_view::npos || end == 1) return fault("a [section] without its ]");
    const auto name = text.substr(1, end - 1);
    for (const auto& other : sections_) {
      if (other.name == name) return fault("a section stands twice");
    }
    sections_.push_back({name, {}});
    entry_ = nullptr;
    return {};
  }

  Result<void> continued(std::string_view line) {
    const auto text = trimmed(line);
    if (!entry_->value.empty()) {
      const auto* begin = entry_->value.data();
      entry_->value = {begin, static_cast<std::size_t>(text.data() + text.size() - begin)};
      return {};
    }
    const auto split = text.find('=');
    if (split == std::string_view::npos) return fault("an indented line that is no `key = value`");
    entry_->nested.emplace_back(trimmed(text.substr(0, split)), trimmed(text.substr(split + 1)));
    return {};
  }

  std::string_view rest_;
  const std::string& path_;
  std::size_t number_ = 0;
  std::size_t indent_ = 0;
  std::vector<IniFile::Section> sections_;
  IniFile::Entry* entry_ = nullptr;
};

const IniFile::Entry* entry_of(const IniFile::Section* section, std::string_view key) {
  if (section == nullptr) return nullptr;
  for (const auto& entry : section->entries) {
    if (entry.key == key) return &entry;
  }
  return nullptr;
}

/// The NAME of `kind NAME`, which may be quoted; none: another kind.
std::optional<std::string> name_of_section(std::string_view section, std::string_view kind) {
  if (!section.starts_with(kind)) return std::nullopt;
  const auto words = shell_words(section);
  if (!words || words->size() != 2) return std::nullopt;
  return words->back();
}

}  // namespace

Result<IniFile> IniFile::parse(const Secret& content, const std::string& path) {
  IniFile file;
  file.path_ = path;
  if (content.size() > profile_file_bytes_max) {
    return Error{ErrorCode::limit_exceeded, Hop::secret_source, path, "longer than 1 MiB", {}, {}};
  }
  file.content_ = content.clone();
  auto text = file.content_.reveal();
  if (text.starts_with("\xEF\xBB\xBF")) text.remove_prefix(3);
  auto sections = IniReader{text, file.path_}.read();
  if (!sections) return std::move(sections).error();
  file.sections_ = std::move(*sections);
  return file;
}

Profiles::Profiles(IniFile config, IniFile credentials)
    : config_(std::move(config)), credentials_(std::move(credentials)) {}

/// The last one counts, `[default]` and `[profile default]` alike.
const IniFile::Section* Profiles::in_config(std::string_view kind, std::string_view name) const {
  const IniFile::Section* found = nullptr;
  for (const auto& section : config_.sections()) {
    const bool plain_default = kind == "profile" && name == "default" && section.name == "default";
    if (plain_default || name_of_section(section.name, kind) == name) found = &section;
  }
  return found;
}

const IniFile::Section* Profiles::in_credentials(std::string_view profile) const {
  for (const auto& section : credentials_.sections()) {
    if (section.name == profile) return &section;
  }
  return nullptr;
}

bool Profiles::has(std::string_view profile, In in) const {
  return (in != In::config && in_credentials(profile) != nullptr) ||
         (in != In::credentials && in_config("profile", profile) != nullptr);
}

bool Profiles::has(std::string_view profile, std::string_view key, In in) const {
  return (in != In::config && entry_of(in_credentials(profile), key) != nullptr) ||
         (in != In::credentials && entry_of(in_config("profile", profile), key) != nullptr);
}

std::string_view Profiles::value(std::string_view profile, std::string_view key, In in) const {
  const auto* entry = in == In::config ? nullptr : entry_of(in_credentials(profile), key);
  if (entry == nullptr && in != In::credentials) entry = entry_of(in_config("profile", profile), key);
  return entry == nullptr ? std::string_view{} : entry->value;
}

Result<std::string> Profiles::text(std::string_view profile, std::string_view key) const {
  const auto value = this->value(profile, key);
  const bool plain = std::all_of(value.begin(), value.end(),
                                 [](char c) { return static_cast<unsigned char>(c) >= 0x20 && c != 0x7F; });
  if (plain && value.size() <= text_bytes_max) return std::string{value};
  return Error{ErrorCode::bad_config,
               Hop::secret_source,
               "profile " + std::string{profile},
               std::string{key} + " is longer than 4096 bytes, or goes on in the next line",
               "Correct it in " + config_.path(),
               {}};
}

bool Profiles::has_sso_session(std::string_view name) const {
  return in_config("sso-session", name) != nullptr;
}

std::string_view Profiles::sso_session(std::string_view name, std::string_view key) const {
  const auto* entry = entry_of(in_config("sso-session", name), key);
  return entry == nullptr ? std::string_view{} : entry->value;
}

bool Profiles::has_services(std::string_view name) const { return in_config("services", name) != nullptr; }

std::string_view Profiles::services(std::string_view name, std::string_view service,
                                    std::string_view key) const {
  const auto* entry = entry_of(in_config("services", name), service);
  if (entry == nullptr) return {};
  for (const auto& [nested, value] : entry->nested) {
    if (nested == key) return value;
  }
  return {};
}

std::vector<std::string> Profiles::names() const {
  std::vector<std::string> found;
  for (const auto& section : config_.sections()) {
    if (section.name == "default") found.emplace_back(section.name);
    if (auto name = name_of_section(section.name, "profile")) found.push_back(std::move(*name));
  }
  for (const auto& section : credentials_.sections()) found.emplace_back(section.name);
  std::sort(found.begin(), found.end());
  found.erase(std::unique(found.begin(), found.end()), found.end());
  return found;
}

}  // namespace sallyport::secrets::aws
