// Why a session was not moved, as words for a counter (rotation_forced); beside them are the obstacles that the server
// tells (move_questions.h), and what is hidden from it (StateReasons::hidden).
//
// Each has a row in docs/operations.md, "Why a session did not move"; a test compares them.
#pragma once

#include <string_view>

namespace sallyport::broker::move_reason {

inline constexpr std::string_view cannot_ask = "cannot_ask";
inline constexpr std::string_view too_many_statements = "too_many_statements";
inline constexpr std::string_view set_role = "set_role";
inline constexpr std::string_view session_authorization = "session_authorization";
inline constexpr std::string_view unknown_statement = "unknown_statement";
inline constexpr std::string_view not_restorable = "not_restorable";
inline constexpr std::string_view replication = "replication";
inline constexpr std::string_view no_connection = "no_connection";

inline constexpr std::string_view all[] = {
    cannot_ask,        too_many_statements, set_role,    session_authorization,
    unknown_statement, not_restorable,      replication, no_connection};

}  // namespace sallyport::broker::move_reason
