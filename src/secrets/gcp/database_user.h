// The name by which a database of Google's knows an identity: PostgreSQL's is the e-mail address, of a service account
// without ".gserviceaccount.com"; MySQL's is what stands before the @.
#pragma once

#include "secrets/gcp/token.h"

#include <string>
#include <string_view>

namespace sallyport::secrets::gcp {

std::string database_user(std::string_view email, std::string_view engine);

/// `wanted` if it is one, else the identity's.
/// Errors  bad_config: nobody says it.
Result<std::string> login_user(const Context& context, const Identity& identity, const std::string& wanted,
                               std::string_view engine);

}  // namespace sallyport::secrets::gcp
