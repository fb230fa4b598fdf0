// One-line construction of the errors that decoders and logins of this folder return.
#pragma once

#include "base/error.h"
#include "base/result.h"

#include <string>
#include <string_view>

namespace sallyport::postgres {

/// Bytes that are no message.
inline Error invalid(std::string_view where, std::string_view what) {
  return {ErrorCode::invalid_message, Hop::none, std::string{where}, std::string{what}, {}, {}};
}

inline Error over_limit(std::string_view where, std::string_view what) {
  return {ErrorCode::limit_exceeded, Hop::none, std::string{where}, std::string{what}, {}, {}};
}

/// An error of a login to a server, with its hint.
inline Error login_error(ErrorCode code, std::string_view where, std::string_view what,
                         std::string_view hint = {}) {
  return {code, Hop::login, std::string{where}, std::string{what}, std::string{hint}, {}};
}

}  // namespace sallyport::postgres
