// How rules lie to one another: what a reader of the configuration is told about rules that do nothing.
#pragma once

#include "policy/target.h"

namespace sallyport::policy {

/// Whoever matches `narrow`, at any time and from anywhere, also matches `wide`. False where that cannot be told.
bool covers(const AllowRule& wide, const AllowRule& narrow);

/// What `narrow` admits, `wide` does too; an empty list admits everything.
bool covers(const std::vector<AddressRange>& wide, const std::vector<AddressRange>& narrow);
bool covers(const std::vector<Hours>& wide, const std::vector<Hours>& narrow);

/// Somebody may match both, at some time and from somewhere: false where that can be shown to be impossible. A process
/// is proven on a Unix socket and a certificate by TLS, and whoever matches a rule without a password is not asked for
/// one: nobody matches both of such.
bool may_meet(const AllowRule& one, const AllowRule& other);

/// The rule at `index` never gives anybody its role: another one does, to everybody whom it matches.
/// Returns that other rule's index, or rules' size when there is none.
std::size_t overshadowed_by(const std::vector<AllowRule>& rules, std::size_t index);

/// Nobody can meet both what the route asks for and what the rule does. Empty: somebody can, as far as can be told;
/// else the condition: "hours", "addresses".
std::string_view impossible_condition(const Route& route, const AllowRule& rule);

}  // namespace sallyport::policy
