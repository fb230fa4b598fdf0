// Two choices, one after the other: a role among those that the identity may have, a database among the target's.
#include "policy/decide.h"

#include "base/ascii.h"
#include "policy/conditions.h"

#include <algorithm>
#include <map>

namespace sallyport::policy {
namespace {

/// A claimed text fit for a log: printable ASCII, at most 63 bytes.
std::string shown(std::string_view claimed) {
  std::string out = "\"";
  for (const char c : claimed.substr(0, 63)) out += c >= ' ' && c <= '~' && c != '"' ? c : '?';
  return out + (claimed.size() > 63 ? "…\"" : "\"");
}

Error denied(const Route& route, std::string what, std::string hint) {
  return {ErrorCode::denied, Hop::policy, route.name, std::move(what), std::move(hint), {}};
}

/// Roles that the peer may have, each with the first rule that gives it.
std::map<std::string, std::size_t> roles_of(const Route& route, const Target& target,
                                            const PeerIdentity& peer, const ClientClaims& claims,
                                            WallTime now) {
  std::map<std::string, std::size_t> out;
  for (std::size_t i = 0; i < route.allow.size(); ++i) {
    const AllowRule& rule = route.allow[i];
    if (!unmet(rule, peer, claims, now).none()) continue;
    auto role = role_of(rule, target);
    if (!role.empty()) out.emplace(std::move(role), i);
  }
  return out;
}

std::string peer_text(const PeerIdentity& peer) {
  std::string who;
  if (peer.uid) who = "uid " + std::to_string(*peer.uid);
  if (peer.uid && peer.gid) who += " (gid " + std::to_string(*peer.gid) + ")";
  if (peer.certificate != nullptr) who += (who.empty() ? "" : " with ") + describe(*peer.certificate);
  if (!peer.login.empty())
    who += (who.empty() ? "" : " with ") + std::string{"the password of "} + shown(peer.login);
  if (peer.namespaced) who += " of another user namespace";
  return who.empty() ? "a client without a proven identity" : who;
}

std::string rule_to_add(const PeerIdentity& peer) {
  if (peer.certificate != nullptr && !peer.certificate->spiffe_id.empty()) {
    return "{certificate: \"" + peer.certificate->spiffe_id + "\"}";
  }
  if (peer.certificate != nullptr && !peer.certificate->dns_names.empty()) {
    return "{certificate: \"dns:" + peer.certificate->dns_names.front() + "\"}";
  }
  if (peer.certificate != nullptr) return "{certificate: \"" + peer.certificate->subject + "\"}";
  if (peer.uid) return "{user: " + std::to_string(*peer.uid) + "}";
  return "{certificate: …} or {verifier: …}, and give the client a certificate or a password";
}

std::string listed(const std::map<std::string, std::size_t>& roles) {
  std::string out;
  for (const auto& [name, rule] : roles) out += (out.empty() ? "" : ", ") + name;
  return out;
}

/// What of when and where stands in the way.
std::string named(Conditions conditions) {
  if (conditions.has(Condition::hours)) return "hours";
  if (conditions.has(Condition::addresses)) return "addresses";
  return conditions.has(Condition::database) ? "database" : "replication";
}

std::string how_to_meet(Conditions left, const AllowRule& rule) {
  if (left.only({Condition::replication}))
    return "Replication sessions need `replication: true` in the rule.";
  if (left.only({Condition::database})) {
    std::string names;
    for (const auto& name : rule.databases) names += (names.empty() ? "" : ", ") + name;
    return "The rule is for database " + names + " only.";
  }
  return "`sallyport policy explain` says which rule holds when and from where.";
}

Error denied_by_route(const Route& route, const PeerIdentity& peer, Conditions conditions) {
  const bool hours = conditions.has(Condition::hours);
  return denied(route,
                peer_text(peer) + " came " +
                    (hours ? "outside the route's hours" : "from an address that the route does not admit"),
                hours ? "The route's `hours` say when it is open." : "Add it to the route's `addresses`.");
}

Error denied_by_rules(const Route& route, const PeerIdentity& peer, const ClientClaims& claims,
                      WallTime now) {
  if (peer.uid == overflow_id && peer.login.empty()) {
    return denied(route, peer_text(peer) + " is what the kernel shows for users it cannot name here",
                  "Run the application as a user of its own, in this user namespace.");
  }
  for (std::size_t i = 0; i < route.allow.size(); ++i) {
    const auto left = unmet(route.allow[i], peer, claims, now);
    if (!left.only(circumstances)) continue;
    return denied(route,
                  peer_text(peer) + " matches rule " + std::to_string(i + 1) + " but for its " + named(left),
                  how_to_meet(left, route.allow[i]));
  }
  const auto rules = route.allow.size();
  return denied(
      route,
      peer_text(peer) + (rules == 1 ? " does not match the route's only rule"
                                    : " matches none of the route's " + std::to_string(rules) + " rules"),
      "Add a rule to `allow` if it may connect, e.g. " + rule_to_add(peer) + ".");
}

Result<std::string> choose_role(const Route& route, const std::map<std::string, std::size_t>& roles,
                                const PeerIdentity& peer, const ClientClaims& claims) {
  if (roles.size() == 1) return roles.begin()->first;
  if (roles.contains(claims.user)) return claims.user;
  // Who proves a password spends the user name on that: the first rule that matches decides.
  if (!peer.login.empty() && claims.user == peer.login) {
    return std::ranges::min_element(roles, {}, [](const auto& role) { return role.second; })->first;
  }
  return denied(route,
                peer_text(peer) + " may have several roles (" + listed(roles) + ") and asked for user " +
                    shown(claims.user) + ", which is none of them",
                "Connect with one of these names as the user.");
}

Result<std::string> choose_database(const Route& route, const Target& target, const AllowRule& rule,
                                    const ClientClaims& claims) {
  // The server opens none, whatever is asked for.
  if (claims.replication == Replication::physical) return std::string{"replication"};
  const bool any = target.databases.empty();
  if (claims.database.empty()) {
    if (!rule.databases.empty()) return rule.databases.front();
    if (!any) return target.databases.front();
    if (!claims.user.empty()) return claims.user;
    return denied(route, "neither database nor user was asked for", "Name the database.");
  }
  if (any || std::ranges::find(target.databases, claims.database) != target.databases.end())
    return claims.database;
  std::string known;
  for (const auto& name : target.databases) known += (known.empty() ? "" : ", ") + name;
  const bool defaulted = claims.database == claims.user;  // libpq asks so when it is told none
  return denied(
      route,
      "database " + shown(claims.database) + " is none of target " + target.name + "'s (" + known + ")",
      defaulted ? "The client was probably told no database and asked for one named as the user: name one."
                : "Ask for one of these, or add it to the target's `database` (of a reference: dbname=).");
}

std::string number_and_name(std::string_view kind, std::uint32_t id, const std::string& name) {
  std::string out = std::string{kind} + ":" + std::to_string(id);
  if (!name.empty() && name != std::to_string(id)) out += "(" + name + ")";
  return out;
}

}  // namespace

Replication replication_of(std::string_view parameter) {
  const auto lower = to_lower(parameter.substr(0, 16));
  if (parameter == "database") return Replication::logical;
  const auto begins = [&lower](std::string_view word, std::size_t least) {
    return lower.size() >= least && word.starts_with(lower);
  };
  const bool no = lower == "0" || begins("false", 1) || begins("no", 1) || begins("off", 2);
  return no ? Replication::none : Replication::physical;
}

std::string identity_text(const PeerIdentity& peer, const AllowRule& rule) {
  std::string out;
  const auto add = [&out](const std::string& part) { out += (out.empty() ? "" : " ") + part; };
  if (rule.certificate && peer.certificate != nullptr)
    add(certificate_identity(*rule.certificate, *peer.certificate));
  if (rule.gid) add(number_and_name("gid", *rule.gid, rule.group_name));
  // Whoever holds a key or a password may have whatever account.
  if (peer.uid && is_for_process(rule))
    add(number_and_name("uid", *peer.uid, rule.uid ? rule.user_name : std::string{}));
  if (!rule.unit.empty()) add("unit:" + rule.unit);
  if (!rule.cgroup.empty()) add("cgroup:" + rule.cgroup);
  if (!rule.verifier.empty()) add("password:" + peer.login);
  return out;
}

Result<Decision> decide(const Route& route, const Target& target, const PeerIdentity& peer,
                        const ClientClaims& claims, WallTime now) {
  if (const auto left = unmet(route, peer, now); !left.none()) return denied_by_route(route, peer, left);
  const auto roles = roles_of(route, target, peer, claims, now);
  if (roles.empty()) return denied_by_rules(route, peer, claims, now);
  auto role = choose_role(route, roles, peer, claims);
  if (!role) return role.error();
  Decision decision;
  decision.rule = roles.at(*role);
  auto database = choose_database(route, target, route.allow[decision.rule], claims);
  if (!database) return database.error();
  decision.identity = identity_text(peer, route.allow[decision.rule]);
  // A physical replication session cannot look a role up: it sees no database.
  if (claims.replication != Replication::physical) decision.run_as = target.roles.at(*role).run_as;
  decision.role = *std::move(role);
  decision.database = *std::move(database);
  decision.replication = claims.replication;
  return decision;
}

bool asks_password(const Route& route, const PeerIdentity& peer, const ClientClaims& claims, WallTime now) {
  if (route.passwords.empty() || !unmet(route, peer, now).none()) return false;
  bool would_help = false;
  for (const auto& rule : route.allow) {
    const auto left = unmet(rule, peer, claims, now);
    if (left.none()) return false;
    // Whoever proves no password hears nothing of databases.
    would_help = would_help ||
                 (left.has(Condition::password) && left.only({Condition::password, Condition::database}));
  }
  return would_help;
}

}  // namespace sallyport::policy
