// What a connector has to know of a certificate that it was given.
#pragma once

#include "base/clock.h"
#include "base/result.h"

#include <string_view>

namespace sallyport::crypto {

/// When the first certificate of `pem` ends.
/// Errors  invalid_message: no certificate.
Result<WallTime> certificate_end(std::string_view pem);

}  // namespace sallyport::crypto
