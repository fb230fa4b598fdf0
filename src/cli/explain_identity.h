// An identity as people write it for `policy explain`, and as the trail prints it.
#pragma once

#include "base/result.h"
#include "policy/decide.h"

#include <functional>
#include <string>
#include <vector>

namespace sallyport::cli {

/// An account of this machine, as a process of it would have it.
struct Account {
  std::uint32_t uid = 0, gid = 0;
  std::vector<std::uint32_t> groups = {};
};

/// What is asked of the machine.
struct AccountBook {
  std::function<std::optional<Account>(const std::string& name_or_number)> user;
  std::function<std::optional<std::uint32_t>(const std::string& name_or_number)> group;
  /// The program that stands at a path now.
  std::function<std::optional<policy::ExecutableId>(const std::string& path)> program;
};
AccountBook this_machine();

/// The words of an identity, for help texts and errors.
inline constexpr auto identity_words =
    "user:NAME, uid:N, group:NAME, gid:N, unit:NAME.service, cgroup:/PATH, executable:/PATH, namespaced, "
    "cert:NAME or password:NAME";

/// identity_words, one or several in a text; also "uid:1000(app)" and "gid:50(staff) uid:1000". An account that exists
/// brings its groups, cert:NAME is as a rule's `certificate`, executable:/PATH runs the file that stands there now.
///
/// Errors  bad_config: another kind, nobody of that name, no such file.
Result<policy::PeerIdentity> parse_identity(const std::vector<std::string>& texts, const AccountBook& book);

/// "uid 1000 (gid 1000), password of alice, from 10.0.0.7".
std::string describe_identity(const policy::PeerIdentity& identity, const std::string& from);

}  // namespace sallyport::cli
