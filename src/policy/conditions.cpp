#include "policy/conditions.h"

#include <algorithm>

namespace sallyport::policy {

namespace {

bool in_group(const PeerIdentity& peer, std::uint32_t gid) {
  return peer.gid == gid || std::ranges::find(peer.groups, gid) != peer.groups.end();
}

bool is_user(const AllowRule& rule, const PeerIdentity& peer) {
  return !rule.uid || (*rule.uid != overflow_id && peer.uid == rule.uid);
}

bool is_member(const AllowRule& rule, const PeerIdentity& peer) {
  // Of a user whom the kernel cannot name its groups are no better known.
  return !rule.gid || (*rule.gid != overflow_id && peer.uid != overflow_id && in_group(peer, *rule.gid));
}

bool has_certificate(const AllowRule& rule, const PeerIdentity& peer) {
  return !rule.certificate || (peer.certificate != nullptr && matches(*rule.certificate, *peer.certificate));
}

bool is_from(const std::vector<AddressRange>& ranges, const PeerIdentity& peer) {
  if (ranges.empty()) return true;
  return peer.address && std::ranges::any_of(ranges, [&](const AddressRange& range) {
           return range.contains(*peer.address);
         });
}

bool is_open(const std::vector<Hours>& hours, WallTime now) {
  return hours.empty() || std::ranges::any_of(hours, [&](const Hours& one) { return one.contains(now); });
}

bool has_password(const AllowRule& rule, const PeerIdentity& peer) {
  return rule.verifier.empty() ||
         (!peer.login.empty() && std::ranges::binary_search(rule.logins, peer.login));
}

/// Who asks for none gets one of the rule's. A copy of the whole cluster has all of them.
bool gives_database(const AllowRule& rule, const ClientClaims& claims) {
  if (rule.databases.empty()) return true;
  if (claims.replication == Replication::physical) return false;
  return claims.database.empty() ||
         std::ranges::find(rule.databases, claims.database) != rule.databases.end();
}

void append(std::string& out, const std::string& part) { out += (out.empty() ? "" : ", ") + part; }

}  // namespace

bool is_for_process(const AllowRule& rule) {
  return rule.uid || rule.gid || !rule.cgroup.empty() || !rule.unit.empty();
}

Conditions unmet(const AllowRule& rule, const PeerIdentity& peer, const ClientClaims& claims, WallTime now) {
  Conditions out;
  out.add(Condition::nobody, !is_for_process(rule) && !rule.certificate && rule.verifier.empty());
  out.add(Condition::user, !is_user(rule, peer));
  out.add(Condition::group, !is_member(rule, peer));
  out.add(Condition::certificate, !has_certificate(rule, peer));
  out.add(Condition::password, !has_password(rule, peer));
  out.add(Condition::addresses, !is_from(rule.addresses, peer));
  out.add(Condition::hours, !is_open(rule.hours, now));
  out.add(Condition::executable,
          !rule.executable.empty() && (!rule.program || peer.executable != rule.program));
  out.add(Condition::cgroup, !rule.cgroup.empty() && !is_in_cgroup(peer.cgroup, rule.cgroup));
  out.add(Condition::unit, !rule.unit.empty() && unit_of(peer.cgroup) != rule.unit);
  out.add(Condition::allow_namespaced, peer.namespaced && !rule.allow_namespaced && is_for_process(rule));
  out.add(Condition::database, !gives_database(rule, claims));
  out.add(Condition::replication, claims.replication != Replication::none && !rule.replication);
  return out;
}

Conditions unmet(const Route& route, const PeerIdentity& peer, WallTime now) {
  Conditions out;
  out.add(Condition::addresses, !is_from(route.addresses, peer));
  out.add(Condition::hours, !is_open(route.hours, now));
  return out;
}

std::string role_of(const AllowRule& rule, const Target& target) {
  if (rule.role.empty() && target.roles.size() == 1) return target.roles.begin()->first;
  return target.roles.contains(rule.role) ? rule.role : std::string{};
}

std::string describe_rule(const AllowRule& rule) {
  std::string out;
  if (rule.uid) append(out, "user " + (rule.user_name.empty() ? std::to_string(*rule.uid) : rule.user_name));
  if (rule.gid)
    append(out, "group " + (rule.group_name.empty() ? std::to_string(*rule.gid) : rule.group_name));
  if (!rule.executable.empty()) append(out, "running " + rule.executable);
  if (!rule.unit.empty()) append(out, "unit " + rule.unit);
  if (!rule.cgroup.empty()) append(out, "control group " + rule.cgroup);
  if (rule.allow_namespaced) append(out, "of any user namespace");
  if (rule.certificate) append(out, "certificate " + to_string(*rule.certificate));
  if (!rule.verifier.empty()) {
    constexpr std::size_t shown_max = 3;
    std::string names;
    for (std::size_t i = 0; i < std::min(shown_max, rule.logins.size()); ++i)
      names += (i == 0 ? " " : " or ") + rule.logins[i];
    if (rule.logins.size() > shown_max) names = " of " + std::to_string(rule.logins.size()) + " names";
    append(out, "password" + names + " in " + rule.verifier);
  }
  for (std::size_t i = 0; i < rule.addresses.size(); ++i) {
    if (i == 0) append(out, "from " + rule.addresses[i].text);
    if (i != 0) out += " or " + rule.addresses[i].text;
  }
  for (std::size_t i = 0; i < rule.hours.size(); ++i) {
    if (i == 0) append(out, rule.hours[i].text);
    if (i != 0) out += " or " + rule.hours[i].text;
  }
  for (std::size_t i = 0; i < rule.databases.size(); ++i) {
    if (i == 0) append(out, "database " + rule.databases[i]);
    if (i != 0) out += " or " + rule.databases[i];
  }
  if (rule.replication) append(out, "also for replication");
  if (rule.connections_max != 0)
    append(out, "at most " + std::to_string(rule.connections_max) +
                    (rule.connections_max == 1 ? " session at once" : " sessions at once"));
  return out;
}

}  // namespace sallyport::policy
