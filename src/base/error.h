// What went wrong, told so that a caller can act on it and a person can mend it.
//
// The code says what the caller does next, the hop says where on the way from the application to
// the database it happened, and the texts say what was seen and how to fix it. An Error never
// carries a secret: `where` names a field, `what` describes, neither quotes a value that came out
// of a secret source.
#pragma once

#include <boost/assert/source_location.hpp>

#include <string>
#include <string_view>

namespace sallyport {

/// Grouped by what the caller does next, not by who raised it.
enum class ErrorCode {
  bad_config,        ///< a person must change the configuration; retrying is useless
  denied,            ///< the other side understood and said no
  not_found,         ///< the named thing does not exist there
  retry_later,       ///< the same call may succeed later
  invalid_message,   ///< bytes that are no message of the protocol
  peer_misbehaved,   ///< a well-formed message that is not allowed now
  peer_unsupported,  ///< the peer lacks something that we require
  limit_exceeded,    ///< a named limit was passed
  timed_out,         ///< a named deadline was passed
  cancelled,         ///< we were asked to stop
  internal,          ///< a defect of ours
};

/// Where on the way it happened.
enum class Hop {
  none,
  config,
  reference,
  environment,
  secret_source,
  dns,
  tcp,
  tls,
  login,
  identity,
  policy,
  pool,
  session,
  trail,
  listener,
  child,
};

struct Error {
  ErrorCode code = ErrorCode::internal;
  Hop hop = Hop::none;
  std::string where;     ///< a field, file, host or step; never a secret value
  std::string what;      ///< what was seen and what was expected, one clause without full stop
  std::string hint;      ///< what to do, one sentence; may be empty
  std::string sqlstate;  ///< five characters, when a database server gave one
};

/// Of a server's SQLSTATE: it does not take this user with this credential. 28P01 (invalid_password) and 28000
/// (invalid_authorization_specification: also what pg_hba.conf and NOLOGIN refuse).
constexpr bool refuses_credential(std::string_view sqlstate) {
  return sqlstate == "28P01" || sqlstate == "28000";
}

std::string_view name_of(ErrorCode code);
std::string_view name_of(Hop hop);

/// One line for people: "tls db.example.com: certificate expired 3 days ago. Renew it …".
/// `where` and the hop are left out when empty.
std::string describe(const Error& error);

/// Called by Result::value() on an error: a defect of ours, so it throws std::logic_error.
[[noreturn]] void throw_exception_from_error(const Error& error, const boost::source_location& at);

}  // namespace sallyport
