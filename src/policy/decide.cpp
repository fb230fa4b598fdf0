// Two choices, one after the other: a role among those that the identity may have, a database among the target's.
#include "policy/decide.h"

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

bool in_group(const PeerIdentity& peer, std::uint32_t gid) {
  return peer.gid == gid || std::ranges::find(peer.groups, gid) != peer.groups.end();
}

bool matches(const AllowRule& rule, const PeerIdentity& peer) {
  if (!rule.uid && !rule.gid && !rule.certificate) return false;  // a rule without a condition names nobody
  if (rule.uid && (*rule.uid == overflow_id || peer.uid != rule.uid)) return false;
  if (rule.certificate && (peer.certificate == nullptr || !matches(*rule.certificate, *peer.certificate))) {
    return false;
  }
  return !rule.gid || (*rule.gid != overflow_id && in_group(peer, *rule.gid));
}

/// Roles that the peer may have, each with the first rule that gives it.
std::map<std::string, std::size_t> roles_of(const Route& route, const Target& target,
                                            const PeerIdentity& peer) {
  std::map<std::string, std::size_t> out;
  for (std::size_t i = 0; i < route.allow.size(); ++i) {
    const AllowRule& rule = route.allow[i];
    if (!matches(rule, peer)) continue;
    std::string role = rule.role;
    if (role.empty() && target.roles.size() == 1) role = target.roles.begin()->first;
    if (target.roles.contains(role)) out.emplace(role, i);
  }
  return out;
}

std::string peer_text(const PeerIdentity& peer) {
  std::string who;
  if (peer.uid) who = "uid " + std::to_string(*peer.uid);
  if (peer.uid && peer.gid) who += " (gid " + std::to_string(*peer.gid) + ")";
  if (peer.certificate != nullptr) who += (who.empty() ? "" : " with ") + describe(*peer.certificate);
  return who.empty() ? "a client without a certificate" : who;
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
  return "{certificate: …}, and give the client a certificate";
}

std::string listed(const std::map<std::string, std::size_t>& roles) {
  std::string out;
  for (const auto& [name, rule] : roles) out += (out.empty() ? "" : ", ") + name;
  return out;
}

Result<std::string> choose_role(const Route& route, const std::map<std::string, std::size_t>& roles,
                                const PeerIdentity& peer, const ClientClaims& claims) {
  if (roles.size() == 1) return roles.begin()->first;
  if (roles.contains(claims.user)) return claims.user;
  return denied(route,
                peer_text(peer) + " may have several roles (" + listed(roles) + ") and asked for user " +
                    shown(claims.user) + ", which is none of them",
                "Connect with one of these names as the user.");
}

Result<std::string> choose_database(const Route& route, const Target& target, const ClientClaims& claims) {
  const bool any = target.databases.empty();
  if (claims.database.empty()) {
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
                : "Ask for one of these, or add it to the target's `database`.");
}

std::string number_and_name(std::string_view kind, std::uint32_t id, const std::string& name) {
  std::string out = std::string{kind} + ":" + std::to_string(id);
  if (!name.empty() && name != std::to_string(id)) out += "(" + name + ")";
  return out;
}

}  // namespace

std::string identity_text(const PeerIdentity& peer, const AllowRule& rule) {
  std::string out;
  const auto add = [&](const std::string& part) { out += (out.empty() ? "" : " ") + part; };
  if (rule.certificate && peer.certificate != nullptr) {
    add(certificate_identity(*rule.certificate, *peer.certificate));
    if (!rule.uid && !rule.gid) return out;  // whoever holds the key, under whatever account
  }
  if (rule.gid) add(number_and_name("gid", *rule.gid, rule.group_name));
  if (peer.uid) add(number_and_name("uid", *peer.uid, rule.uid ? rule.user_name : std::string{}));
  return out;
}

Result<Decision> decide(const Route& route, const Target& target, const PeerIdentity& peer,
                        const ClientClaims& claims) {
  if (peer.uid == overflow_id) {
    return denied(route, peer_text(peer) + " is what the kernel shows for users it cannot name here",
                  "Run the application as a user of its own, in this user namespace.");
  }
  const auto roles = roles_of(route, target, peer);
  if (roles.empty()) {
    return denied(
        route,
        peer_text(peer) + " matches none of the route's " + std::to_string(route.allow.size()) + " rules",
        "Add a rule to `allow` if it may connect, e.g. " + rule_to_add(peer) + ".");
  }
  auto role = choose_role(route, roles, peer, claims);
  if (!role) return role.error();
  auto database = choose_database(route, target, claims);
  if (!database) return database.error();
  Decision decision;
  decision.rule = roles.at(*role);
  decision.identity = identity_text(peer, route.allow[decision.rule]);
  decision.run_as = target.roles.at(*role).run_as;
  decision.role = *std::move(role);
  decision.database = *std::move(database);
  return decision;
}

}  // namespace sallyport::policy
