#include "net/landlock.h"

#include "net/fd.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include <cerrno>
#include <cstring>

namespace sallyport::net {

namespace {

// <linux/landlock.h> of Debian 12 ends at version 2.
struct RulesetAttributes {
  std::uint64_t handled_fs, handled_net, scoped;
};

// NOLINTBEGIN(readability-identifier-naming)
struct [[gnu::packed]] PathBeneath {
  std::uint64_t allowed;
  std::int32_t parent_fd;
};
// NOLINTEND(readability-identifier-naming)

constexpr std::uint32_t ask_for_version = 1;
constexpr int path_beneath = 1;

constexpr std::uint64_t bit(int number) { return std::uint64_t{1} << number; }
constexpr auto write_file = bit(1), read_file = bit(2), read_directory = bit(3), remove_directory = bit(4),
               remove_file = bit(5), make_directory = bit(7), make_regular = bit(8), make_socket = bit(9),
               truncate_file = bit(14), ioctl_device = bit(15);
constexpr auto of_version_1 = bit(13) - 1, refer = bit(13);
constexpr auto scope_abstract = bit(0), scope_signal = bit(1);

std::uint64_t rights_known_to(int version) {
  auto rights = of_version_1;
  if (version >= 2) rights |= refer;
  if (version >= 3) rights |= truncate_file;
  if (version >= 5) rights |= ioctl_device;
  return rights;
}

std::uint64_t rights_for(FileUse use) {
  constexpr auto look = read_file | read_directory;
  constexpr auto write = write_file | truncate_file | make_regular | remove_file | make_directory;
  switch (use) {
    case FileUse::read: return look;
    case FileUse::read_write: return read_file | write_file;
    case FileUse::sockets: return look | write | make_socket;
    case FileUse::keep: return look | write | remove_directory;
  }
  return 0;
}

/// A rule about a file may name only what can be done with files.
constexpr auto rights_of_files = bit(0) | write_file | read_file | truncate_file | ioctl_device;

Error failed(const std::string& step) {
  return {ErrorCode::internal, Hop::none, "Landlock", step + ": " + std::strerror(errno), {}, {}};
}

Result<void> add_rule(const UniqueFd& ruleset, const FileRule& rule, std::uint64_t known) {
  const UniqueFd at{open(rule.path.c_str(), O_PATH | O_CLOEXEC)};
  struct stat status {};
  if (!at.valid() || fstat(at.get(), &status) != 0) return {};
  auto allowed = rights_for(rule.use) & known;
  if (!S_ISDIR(status.st_mode)) allowed &= rights_of_files;
  const PathBeneath beneath{allowed, at.get()};
  if (syscall(SYS_landlock_add_rule, ruleset.get(), path_beneath, &beneath, 0U) != 0)
    return failed("a rule for " + rule.path);
  return {};
}

}  // namespace

int landlock_version() {
  const auto version = syscall(SYS_landlock_create_ruleset, nullptr, 0, ask_for_version);
  return version > 0 ? static_cast<int>(version) : 0;
}

std::vector<std::string> lacking_in_landlock(int version) {
  if (version < 1) return {"landlock"};
  std::vector<std::string> lacking;
  if (version < 3) lacking.emplace_back("landlock_truncate");
  if (version < 5) lacking.emplace_back("landlock_ioctl");
  if (version < 6) lacking.emplace_back("landlock_scopes");
  return lacking;
}

LandlockScopes scopes_of_landlock(int version) { return {version >= 6, version >= 6}; }

Result<void> enter_landlock(int version, const std::vector<FileRule>& rules, LandlockScopes scopes) {
  const auto known = rights_known_to(version);
  const RulesetAttributes attributes{
      known, 0, (scopes.abstract_sockets ? scope_abstract : 0) | (scopes.signals ? scope_signal : 0)};
  // An older kernel takes the longer struct as long as what it does not know is zero.
  const UniqueFd ruleset{
      static_cast<int>(syscall(SYS_landlock_create_ruleset, &attributes, sizeof attributes, 0U))};
  if (!ruleset.valid()) return failed("a set of rules");
  for (const auto& rule : rules) {
    if (auto added = add_rule(ruleset, rule, known); !added) return added;
  }
  if (syscall(SYS_landlock_restrict_self, ruleset.get(), 0U) != 0) return failed("its enforcement");
  return {};
}

}  // namespace sallyport::net
