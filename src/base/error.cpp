#include "base/error.h"

#include <stdexcept>

namespace sallyport {

std::string_view name_of(ErrorCode code) {
  switch (code) {
    case ErrorCode::bad_config: return "bad_config";
    case ErrorCode::denied: return "denied";
    case ErrorCode::not_found: return "not_found";
    case ErrorCode::retry_later: return "retry_later";
    case ErrorCode::invalid_message: return "invalid_message";
    case ErrorCode::peer_misbehaved: return "peer_misbehaved";
    case ErrorCode::peer_unsupported: return "peer_unsupported";
    case ErrorCode::limit_exceeded: return "limit_exceeded";
    case ErrorCode::timed_out: return "timed_out";
    case ErrorCode::cancelled: return "cancelled";
    case ErrorCode::internal: return "internal";
  }
  return "internal";
}

std::string_view name_of(Hop hop) {
  switch (hop) {
    case Hop::none: return "";
    case Hop::config: return "configuration";
    case Hop::reference: return "reference";
    case Hop::environment: return "environment";
    case Hop::secret_source: return "secret source";
    case Hop::dns: return "dns";
    case Hop::tcp: return "tcp";
    case Hop::tls: return "tls";
    case Hop::login: return "login";
    case Hop::identity: return "identity";
    case Hop::policy: return "policy";
    case Hop::pool: return "pool";
    case Hop::session: return "session";
    case Hop::trail: return "audit trail";
    case Hop::listener: return "listener";
    case Hop::child: return "child";
  }
  return "";
}

std::string describe(const Error& error) {
  std::string line{name_of(error.hop)};
  if (!error.where.empty()) {
    if (!line.empty()) line += ' ';
    line += error.where;
  }
  if (!line.empty()) line += line.ends_with(':') ? " " : ": ";  // a reference may be its scheme alone
  line += error.what.empty() ? std::string{name_of(error.code)} : error.what;
  if (!error.hint.empty()) {
    line += ". ";
    line += error.hint;
  }
  return line;
}

void throw_exception_from_error(const Error& error, const boost::source_location&) {
  throw std::logic_error("value() of an error: " + describe(error));
}

}  // namespace sallyport
