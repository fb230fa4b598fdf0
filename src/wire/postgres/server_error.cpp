#include "wire/postgres/server_error.h"

#include "wire/postgres/error_fields.h"
#include "wire/postgres/outside_text.h"
#include "wire/postgres/wire_error.h"

#include <algorithm>

namespace sallyport::postgres {

namespace {

/// 42501 stands for each of them; the message says which, where the server speaks English.
std::string hint_of_privilege(std::string_view message) {
  constexpr std::string_view set_role = "permission denied to set role ";
  if (message.starts_with(set_role)) {
    return "Make the user that logs in a member: GRANT " + std::string{message.substr(set_role.size())} +
           " TO that user (of a dynamic one in its creation statements, IN ROLE); or correct run_as";
  }
  if (message.starts_with("permission denied for database"))
    return "Grant CONNECT on the database to this user";
  if (message.starts_with("permission denied to set parameter"))
    return "Leave it out of the settings that the client asks for at its start, or grant SET on it to this "
           "user";
  return "This user lacks one of: CONNECT on the database, membership in the role of run_as, the settings "
         "that the client asks for at its start";
}

std::string_view default_hint(std::string_view sqlstate) {
  if (sqlstate == "28P01")
    return "The credential may have been rotated or the user dropped: fetch it again, and check the user on "
           "the server";
  if (sqlstate == "28000")
    return "Look for this user, database and address in pg_hba.conf, and whether the role may log in";
  if (sqlstate == "3D000")
    return "Ask for a database that is there, or correct the target's `database` (of a reference: dbname=)";
  if (sqlstate == "53300") return "Lower the pool's max, or raise max_connections on the server";
  if (sqlstate == "57P03") return "The server is starting up or shutting down: it is tried again";
  if (sqlstate == "22023") return "Check run_as, and the settings that the client asks for at its start";
  return {};
}

}  // namespace

ErrorCode login_code_of(std::string_view sqlstate) {
  if (sqlstate == "3D000") return ErrorCode::not_found;
  if (sqlstate == "0A000" || sqlstate == "08P01") return ErrorCode::peer_unsupported;
  const auto group = sqlstate.substr(0, 2);
  if (group == "28" || sqlstate == "42501") return ErrorCode::denied;
  // Resources, operator intervention, object in use, system and internal errors, connection trouble.
  for (const std::string_view passing : {"53", "57", "55", "58", "XX", "08"}) {
    if (group == passing) return ErrorCode::retry_later;
  }
  // Invalid values and unknown settings: our start-up parameters.
  if (group == "22" || group == "42") return ErrorCode::bad_config;
  return ErrorCode::denied;
}

Error error_of_server(Bytes body, const Secret& secret) {
  const auto decoded = decode_error_fields(body);
  if (!decoded) return login_error(decoded.error().code, "ErrorResponse", decoded.error().what);
  const auto sqlstate = decoded->sqlstate();
  const bool valid = sqlstate.size() == 5 && std::all_of(sqlstate.begin(), sqlstate.end(), [](char c) {
                       return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z');
                     });
  const auto safe = [&](std::string_view text) {
    if (!secret.empty() && text.find(secret.reveal()) != std::string_view::npos) {
      return std::string{"(a text that repeats the credential, left out)"};
    }
    return outside_text(text);
  };
  auto error = login_error(
      valid ? login_code_of(sqlstate) : ErrorCode::denied, "server",
      decoded->message().empty() ? "the server refused without a message" : safe(decoded->message()));
  if (valid) error.sqlstate = sqlstate;
  const auto hint = decoded->get(error_field::hint);
  error.hint = !hint.empty()         ? safe(hint)
               : sqlstate == "42501" ? hint_of_privilege(error.what)
                                     : std::string{default_hint(sqlstate)};
  return error;
}

}  // namespace sallyport::postgres
