#include "wire/postgres/ssl_answer.h"

#include "wire/postgres/wire_error.h"

namespace sallyport::postgres {

namespace {
constexpr std::string_view where = "SSLRequest";
}

Result<bool> take_ssl_answer(InputBuffer& input) {
  if (input.empty()) return false;
  switch (input.unread()[0]) {
    case 'S': break;
    case 'N':
      return login_error(
          ErrorCode::peer_unsupported, where, "the server does not offer TLS",
          "Switch ssl on in postgresql.conf, or check that host and port are the database's own");
    case 'E':
      return login_error(
          ErrorCode::peer_unsupported, where,
          "the server answered with an error instead of yes or no (its text is unprotected, so it is not "
          "repeated)",
          "Look into the server's log: it is older than PostgreSQL 8 or could not start a process");
    default:
      return login_error(ErrorCode::invalid_message, where,
                         "the answer is neither S nor N: this is no PostgreSQL server",
                         "Check host and port");
  }
  if (input.size() > 1) {
    return login_error(ErrorCode::peer_misbehaved, where,
                       "bytes arrived behind the server's yes and before TLS: somebody may be injecting them",
                       "Look for what stands between sallyport and the server");
  }
  input.consume(1);
  return true;
}

}  // namespace sallyport::postgres
