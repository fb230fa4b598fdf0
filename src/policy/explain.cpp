#include "policy/explain.h"

namespace sallyport::policy {

namespace {

template <class Range>
std::string any_of(const std::vector<Range>& all) {
  std::string out;
  for (const auto& one : all) out += (out.empty() ? "" : " or ") + one.text;
  return out;
}

std::string where_from(const PeerIdentity& peer, const std::string& wanted) {
  return peer.address ? "the address is not in " + wanted : "no address is known, wanted is " + wanted;
}

std::string actual_user(const PeerIdentity& peer) {
  return peer.uid ? "uid " + std::to_string(*peer.uid) : std::string{"no known process"};
}

std::string wanted_user(const AllowRule& rule) {
  const auto number = std::to_string(rule.uid.value_or(0));
  return rule.user_name.empty() || rule.user_name == number ? "uid " + number
                                                            : rule.user_name + " (uid " + number + ")";
}

std::string wanted_group(const AllowRule& rule) {
  const auto number = std::to_string(rule.gid.value_or(0));
  return rule.group_name.empty() || rule.group_name == number ? "gid " + number
                                                              : rule.group_name + " (gid " + number + ")";
}

std::string known_cgroup(const PeerIdentity& peer) {
  return peer.cgroup.empty() ? ", and none is known" : " but in " + peer.cgroup;
}

}  // namespace

Explanation explain(const Route& route, const Target& target, const PeerIdentity& peer,
                    const ClientClaims& claims, WallTime now) {
  Explanation out{unmet(route, peer, now),
                  {},
                  decide(route, target, peer, claims, now),
                  asks_password(route, peer, claims, now)};
  for (std::size_t i = 0; i < route.allow.size(); ++i) {
    out.rules.push_back({i, role_of(route.allow[i], target), unmet(route.allow[i], peer, claims, now)});
  }
  return out;
}

bool depends_on_program(const RuleVerdict& verdict, const PeerIdentity& peer) {
  return !peer.executable && verdict.unmet.only({Condition::executable});
}

std::optional<std::size_t> rule_if_program(const Explanation& explanation, const PeerIdentity& peer) {
  if (explanation.decision || !explanation.route_unmet.none()) return {};
  std::optional<std::size_t> found;
  for (const auto& verdict : explanation.rules) {
    // One that matches was refused for what the client asks for.
    if (verdict.unmet.none()) return {};
    if (!found && depends_on_program(verdict, peer)) found = verdict.rule;
  }
  return found;
}

std::string why_unmet(Condition condition, const AllowRule& rule, const PeerIdentity& peer) {
  switch (condition) {
    case Condition::nobody: return "it names nobody";
    case Condition::user: return "wanted is " + wanted_user(rule) + ", this is " + actual_user(peer);
    case Condition::group: return "not a member of " + wanted_group(rule);
    case Condition::certificate:
      if (peer.certificate == nullptr) return "no certificate was shown";
      return "the certificate is that of " + describe(*peer.certificate);
    case Condition::password:
      if (peer.login.empty()) return "no password was proven";
      return "the password of " + peer.login + " is not one of the rule's";
    case Condition::addresses: return where_from(peer, any_of(rule.addresses));
    case Condition::hours: return "outside " + any_of(rule.hours);
    case Condition::database: return "the database is none of the rule's";
    case Condition::replication: return "a replication session needs `replication: true`";
    case Condition::executable: return "it is not known to run " + rule.executable + " as that was at load";
    case Condition::cgroup: return "not in " + rule.cgroup + known_cgroup(peer);
    case Condition::unit: return "not of unit " + rule.unit + known_cgroup(peer);
    case Condition::allow_namespaced: return "it is of another user namespace, or hidden from us";
  }
  return {};
}

std::string why_unmet(Condition condition, const Route& route, const PeerIdentity& peer) {
  return condition == Condition::hours ? "outside " + any_of(route.hours)
                                       : where_from(peer, any_of(route.addresses));
}

std::string_view name_of(Condition condition) {
  switch (condition) {
    case Condition::nobody: return "nobody";
    case Condition::user: return "user";
    case Condition::group: return "group";
    case Condition::certificate: return "certificate";
    case Condition::password: return "verifier";
    case Condition::addresses: return "addresses";
    case Condition::hours: return "hours";
    case Condition::database: return "database";
    case Condition::replication: return "replication";
    case Condition::executable: return "executable";
    case Condition::cgroup: return "cgroup";
    case Condition::unit: return "unit";
    case Condition::allow_namespaced: return "allow_namespaced";
  }
  return {};
}

}  // namespace sallyport::policy
