// Rules that can never decide anything, or give somebody more roles than one by accident: warnings, each naming both
// places.
#include "config/reader.h"
#include "policy/overlap.h"

namespace sallyport::config {

void compare_rules(const Route& route, const std::vector<Position>& at, Problems& problems) {
  const auto& rules = route.allow;
  const auto place = [&](std::size_t i) {
    return std::to_string(at[i].line) + ":" + std::to_string(at[i].column);
  };
  std::vector<bool> idle(rules.size(), false);
  for (std::size_t i = 0; i < rules.size(); ++i) {
    if (const auto condition = policy::impossible_condition(route, rules[i]); !condition.empty()) {
      idle[i] = true;
      problems.warn(at[i], "this rule can never match: its `" + std::string{condition} +
                               "` have nothing in common with the route's. Change one of them");
      continue;
    }
    const auto other = policy::overshadowed_by(rules, i);
    if (other == rules.size()) continue;
    idle[i] = true;
    problems.warn(at[i], "this rule never decides: the rule at " + place(other) + " gives role " +
                             rules[i].role + " to everybody whom it matches. Remove one of them");
  }
  for (std::size_t i = 0; i < rules.size(); ++i) {
    for (std::size_t j = 0; j < i; ++j) {
      if (idle[i] || idle[j] || rules[i].role == rules[j].role) continue;
      // Of rules for the very same clients several roles are what is meant.
      const bool wider = policy::covers(rules[i], rules[j]);
      const bool narrower = policy::covers(rules[j], rules[i]);
      if (wider == narrower && (wider || !policy::may_meet(rules[i], rules[j]))) continue;
      problems.warn(at[i], "this rule overlaps the one at " + place(j) +
                               ": whoever matches both may have role " + rules[j].role + " and role " +
                               rules[i].role + ", and chooses by the user name asked for" +
                               (rules[i].verifier.empty() ? "" : "; by the name of its password the former"));
    }
  }
}

}  // namespace sallyport::config
