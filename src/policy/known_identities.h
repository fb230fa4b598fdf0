// Who will come, as far as a rule says it by itself: for connections that are logged in before their client is there.
#pragma once

#include "policy/target.h"

#include <string>
#include <vector>

namespace sallyport::policy {

/// The identities that decide() gives those who match this rule, as it writes them: of a user, of the names of a password
/// file, of a certificate's text. Empty: they are not known before they come (a group, a unit, a control group without a
/// user; a SPIFFE pattern).
std::vector<std::string> known_identities(const AllowRule& rule);

}  // namespace sallyport::policy
