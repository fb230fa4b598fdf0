// The two profile files of AWS, ~/.aws/config and ~/.aws/credentials: INI in the dialect of Python's configparser, which
// is what the AWS tools read them with.
//
// The files hold secrets, so their text stays in one Secret each and everything here is a view into it. Sections of the
// config file are `default`, `profile NAME`, `sso-session NAME` and `services NAME`; those of the credentials file are
// the profiles' bare names. Where both have a profile, the credentials file's keys win one by one.
#pragma once

#include "base/result.h"
#include "base/secret.h"

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace sallyport::secrets::aws {

/// One INI file.
class IniFile {
 public:
  struct Entry {
    std::string key;         ///< in lower case
    std::string_view value;  ///< may span lines, as they stand in the file
    std::vector<std::pair<std::string_view, std::string_view>>
        nested;  ///< of `s3 =` and indented lines below it
  };
  struct Section {
    std::string_view name;
    std::vector<Entry> entries;
  };

  IniFile() = default;

  /// Limit   profile_file_bytes_max.
  /// Errors  bad_config, `where` = path and line: no section, no key, a section or key twice; nothing is quoted.
  static Result<IniFile> parse(const Secret& content, const std::string& path);

  [[nodiscard]] const std::vector<Section>& sections() const { return sections_; }
  [[nodiscard]] const std::string& path() const { return path_; }

 private:
  Secret content_;
  std::string path_;
  std::vector<Section> sections_;
};

inline constexpr std::size_t profile_file_bytes_max = 1'048'576;

class Profiles {
 public:
  enum class In { either, config, credentials };

  Profiles() = default;
  Profiles(IniFile config, IniFile credentials);

  [[nodiscard]] bool has(std::string_view profile, In in = In::either) const;
  [[nodiscard]] bool has(std::string_view profile, std::string_view key, In in = In::either) const;

  /// Empty when absent. A view into the file: secrets are copied into a Secret and nowhere else.
  [[nodiscard]] std::string_view value(std::string_view profile, std::string_view key,
                                       In in = In::either) const;

  /// As value(), for what is no secret.
  /// Errors  bad_config: control characters or more than 4096 bytes; `where` names profile and key.
  [[nodiscard]] Result<std::string> text(std::string_view profile, std::string_view key) const;

  [[nodiscard]] bool has_sso_session(std::string_view name) const;
  [[nodiscard]] std::string_view sso_session(std::string_view name, std::string_view key) const;
  [[nodiscard]] bool has_services(std::string_view name) const;
  [[nodiscard]] std::string_view services(std::string_view name, std::string_view service,
                                          std::string_view key) const;

  /// Names of all profiles, for an error's text.
  [[nodiscard]] std::vector<std::string> names() const;

  [[nodiscard]] const IniFile& config() const { return config_; }
  [[nodiscard]] const IniFile& credentials() const { return credentials_; }

 private:
  [[nodiscard]] const IniFile::Section* in_config(std::string_view kind, std::string_view name) const;
  [[nodiscard]] const IniFile::Section* in_credentials(std::string_view profile) const;

  IniFile config_;
  IniFile credentials_;
};

}  // namespace sallyport::secrets::aws
