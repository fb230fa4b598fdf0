// A database server's ErrorResponse as our Error, so that a caller knows what to do next.
#pragma once

#include "base/bytes.h"
#include "base/result.h"
#include "base/secret.h"

#include <string_view>

namespace sallyport::postgres {

/// The group that a SQLSTATE received during a login belongs to.
ErrorCode login_code_of(std::string_view sqlstate);

/// The Error for an ErrorResponse's body: its SQLSTATE kept, its message cleaned and bounded as `what`.
///
/// A hostile server could repeat a secret that it was sent; a message that contains `secret` is left out.
Error error_of_server(Bytes body, const Secret& secret);

}  // namespace sallyport::postgres
