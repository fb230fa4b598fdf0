#include "cli/explain_identity.h"

#include "config/program.h"
#include "policy/process_identity.h"

#include <grp.h>
#include <pwd.h>
#include <sys/stat.h>

#include <algorithm>
#include <charconv>
#include <sstream>

namespace sallyport::cli {

namespace {

std::optional<std::uint32_t> number_of(const std::string& text) {
  std::uint32_t number = 0;
  const auto [end, wrong] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (wrong != std::errc{} || end != text.data() + text.size()) return {};
  return number;
}

// One thread, before anything else runs: the plain calls will do.
std::optional<Account> find_user(const std::string& text) {
  const auto number = number_of(text);
  const passwd* entry = number ? getpwuid(*number) : getpwnam(text.c_str());  // NOLINT(concurrency-mt-unsafe)
  if (entry == nullptr) return {};
  Account account{entry->pw_uid, entry->pw_gid};
  int count = 1'024;
  std::vector<gid_t> groups(static_cast<std::size_t>(count));
  if (getgrouplist(entry->pw_name, entry->pw_gid, groups.data(), &count) >= 0)
    account.groups.assign(groups.begin(), groups.begin() + count);
  return account;
}

std::optional<std::uint32_t> find_group(const std::string& text) {
  if (const auto number = number_of(text)) return number;
  const group* entry = getgrnam(text.c_str());  // NOLINT(concurrency-mt-unsafe)
  if (entry == nullptr) return {};
  return entry->gr_gid;
}

std::optional<policy::ExecutableId> find_program(const std::string& path) {
  struct stat status {};
  if (stat(path.c_str(), &status) != 0 || !S_ISREG(status.st_mode)) return {};
  return config::id_of(status);
}

Error bad(const std::string& word, std::string what, std::string hint) {
  return {ErrorCode::bad_config, Hop::none, "--identity " + word, std::move(what), std::move(hint), {}};
}

Error of_no_kind(const std::string& word) {
  return bad(word, "is of no known kind", std::string{"Write "} + identity_words);
}

/// "1000" of "1000(app)".
std::string without_name(const std::string& value) { return value.substr(0, value.find('(')); }

Result<void> add_user(policy::PeerIdentity& identity, const std::string& word, const std::string& value,
                      const AccountBook& book) {
  const auto account = book.user(value);
  const auto number = number_of(value);
  if (!account && !number)
    return bad(word, "there is no such user on this machine", "Write its number: uid:1000");
  identity.uid = account ? account->uid : *number;
  if (!account) return {};
  if (!identity.gid) identity.gid = account->gid;
  for (const auto group : account->groups) identity.groups.push_back(group);
  return {};
}

// The trail has what the rule named: a unit of the system, or a control group above the process.
Result<void> add_control_group(policy::PeerIdentity& identity, const std::string& word, bool unit,
                               const std::string& value) {
  if (unit && !policy::is_unit_name(value))
    return bad(word, "is no name of a unit", "Write unit:app.service");
  if (!unit && !value.starts_with('/'))
    return bad(word, "is no path of a control group", "Write cgroup:/system.slice/app.service");
  identity.cgroup = unit ? "/system.slice/" + value : value;
  return {};
}

Result<void> add_word(policy::PeerIdentity& identity, const std::string& word, const AccountBook& book) {
  if (word == "namespaced") {
    identity.namespaced = true;
    return {};
  }
  const auto colon = word.find(':');
  const auto kind = word.substr(0, colon);
  const auto value = colon == std::string::npos ? std::string{} : word.substr(colon + 1);
  if (value.empty()) return of_no_kind(word);
  if (kind == "user" || kind == "uid") return add_user(identity, word, without_name(value), book);
  if (kind == "group" || kind == "gid") {
    const auto gid = book.group(without_name(value));
    if (!gid) return bad(word, "there is no such group on this machine", "Write its number: gid:50");
    identity.groups.push_back(*gid);
    return {};
  }
  if (kind == "unit" || kind == "cgroup") return add_control_group(identity, word, kind == "unit", value);
  if (kind == "executable") {
    identity.executable = book.program(value);
    if (!identity.executable) return bad(word, "there is no such program", "Write executable:/usr/bin/app");
    return {};
  }
  if (kind == "password") {
    identity.login = value;
    return {};
  }
  return of_no_kind(word);
}

/// Takes "cert:…" off the front, in whose subject there may be spaces; returns what follows it.
std::string take_certificate(policy::PeerIdentity& identity, const std::string& text) {
  if (!text.starts_with("cert:")) return text;
  auto end = text.size();
  for (const auto* next :
       {" gid:", " uid:", " unit:", " cgroup:", " password:", " executable:", " namespaced"})
    end = std::min(end, text.find(next));
  const auto name = text.substr(5, end - 5);
  policy::ClientCertificate certificate;
  if (name.starts_with("spiffe://")) {
    certificate.spiffe_id = name;
  } else if (name.starts_with("dns:")) {
    certificate.dns_names = {name.substr(4)};
  } else {
    certificate.subject = name;
  }
  identity.certificate = std::make_shared<const policy::ClientCertificate>(std::move(certificate));
  return text.substr(end);
}

}  // namespace

AccountBook this_machine() { return {find_user, find_group, find_program}; }

Result<policy::PeerIdentity> parse_identity(const std::vector<std::string>& texts, const AccountBook& book) {
  policy::PeerIdentity identity;
  for (const auto& text : texts) {
    std::istringstream words{take_certificate(identity, text)};
    for (std::string word; words >> word;) {
      if (auto added = add_word(identity, word, book); !added) return added.error();
    }
  }
  return identity;
}

std::string describe_identity(const policy::PeerIdentity& identity, const std::string& from) {
  std::string out;
  const auto add = [&out](const std::string& part) { out += (out.empty() ? "" : ", ") + part; };
  if (identity.uid) add("uid " + std::to_string(*identity.uid));
  if (!identity.groups.empty()) {
    auto groups = identity.groups;
    std::ranges::sort(groups);
    groups.erase(std::unique(groups.begin(), groups.end()), groups.end());
    std::string list;
    for (const auto group : groups) list += (list.empty() ? "" : " ") + std::to_string(group);
    add("groups " + list);
  }
  if (!identity.cgroup.empty()) add("control group " + identity.cgroup);
  if (identity.executable) add("running the program that was named");
  if (identity.namespaced) add("of another user namespace");
  if (identity.certificate != nullptr) add(describe(*identity.certificate));
  if (!identity.login.empty()) add("password of " + identity.login);
  if (!from.empty()) add("from " + from);
  return out.empty() ? "nobody" : out;
}

}  // namespace sallyport::cli
