// Who gets what on a route, and why: decide() with its reasons kept.
#pragma once

#include "policy/conditions.h"

#include <string>
#include <vector>

namespace sallyport::policy {

struct RuleVerdict {
  std::size_t rule = 0;  ///< index into Route::allow
  std::string role;      ///< that it gives
  Conditions unmet;      ///< none: it matches
};

struct Explanation {
  Conditions route_unmet;  ///< of the route's own conditions
  std::vector<RuleVerdict> rules;
  Result<Decision> decision;
  bool asks_password = false;  ///< whoever this is would be asked for a local password first
};

Explanation explain(const Route& route, const Target& target, const PeerIdentity& peer,
                    const ClientClaims& claims, WallTime now);

/// Nothing but the program is unmet, and which one the peer runs was not said: who asks about an identity of the trail,
/// which does not name it, cannot know.
bool depends_on_program(const RuleVerdict& verdict, const PeerIdentity& peer);

/// The first rule by which it would be admitted if it ran the right program; none: it is admitted, or refused anyway.
std::optional<std::size_t> rule_if_program(const Explanation& explanation, const PeerIdentity& peer);

/// Why this condition is not met, as a sentence's half: "it is not user app but uid 1001".
std::string why_unmet(Condition condition, const AllowRule& rule, const PeerIdentity& peer);
std::string why_unmet(Condition condition, const Route& route, const PeerIdentity& peer);

/// "user", "addresses": the key of the configuration that it is about.
std::string_view name_of(Condition condition);

}  // namespace sallyport::policy
