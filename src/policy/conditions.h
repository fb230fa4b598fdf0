// The conditions of a rule, each by itself: what decide() asks of a rule, and what `policy explain` says of it.
#pragma once

#include "policy/decide.h"

#include <array>
#include <cstdint>
#include <string>

namespace sallyport::policy {

enum class Condition : std::uint8_t {
  nobody,
  user,
  group,
  certificate,
  password,
  addresses,
  hours,
  database,
  replication,
  executable,
  cgroup,
  unit,
  allow_namespaced
};
inline constexpr std::array all_conditions{
    Condition::nobody,          Condition::user,       Condition::group,  Condition::certificate,
    Condition::password,        Condition::addresses,  Condition::hours,  Condition::database,
    Condition::replication,     Condition::executable, Condition::cgroup, Condition::unit,
    Condition::allow_namespaced};

/// A set of them.
class Conditions {
 public:
  constexpr Conditions() = default;
  constexpr Conditions(std::initializer_list<Condition> all) {
    for (const auto one : all) add(one);
  }
  constexpr void add(Condition one) { bits_ |= bit(one); }
  void add(Condition one, bool wanted) {
    if (wanted) add(one);
  }
  [[nodiscard]] constexpr bool has(Condition one) const { return (bits_ & bit(one)) != 0; }
  [[nodiscard]] constexpr bool none() const { return bits_ == 0; }
  /// Not empty, and nothing but these.
  [[nodiscard]] constexpr bool only(Conditions these) const {
    return bits_ != 0 && (bits_ & ~these.bits_) == 0;
  }

 private:
  static constexpr std::uint32_t bit(Condition one) { return 1U << static_cast<unsigned>(one); }
  std::uint32_t bits_ = 0;
};

/// When, from where and to what, not who.
inline constexpr Conditions circumstances{Condition::addresses, Condition::hours, Condition::database,
                                          Condition::replication};

/// The rule is for a process, or narrows who it is: user, group, control group, unit.
bool is_for_process(const AllowRule& rule);

/// What of the rule is not met; none: it matches.
Conditions unmet(const AllowRule& rule, const PeerIdentity& peer, const ClientClaims& claims, WallTime now);
/// Of the route's own conditions.
Conditions unmet(const Route& route, const PeerIdentity& peer, WallTime now);

/// The role that the rule gives on this target; empty: none.
std::string role_of(const AllowRule& rule, const Target& target);

/// "user app, from 10.0.0.0/8, Mon-Fri 07:00-20:00 Europe/Berlin": the conditions, without the role.
std::string describe_rule(const AllowRule& rule);

}  // namespace sallyport::policy
