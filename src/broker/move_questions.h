// What a session's old server connection is asked before the session moves to a new one: is there anything
// that a new connection could not be given, which settings did the session make, which statements has it?
#pragma once

#include "base/bytes.h"
#include "base/secret.h"

#include <cstddef>
#include <iterator>
#include <string_view>

namespace sallyport::broker {

/// Three questions in the extended protocol, and a Sync. Their statements are named "sallyport move N".
///
/// Answers  0: one row of move_state_columns.  1: rows of name and value (settings).  2: rows of one name
///          (statements).
void encode_move_questions(WipedBytes& out);

/// The first of them, without the Parse around it.
std::string_view move_state_question();

/// A query of one row: the role that a connection runs as. "none": that of its login.
std::string_view role_question();

/// The first columns of the first answer, "0" when nothing stands in the way; behind them `role` and
/// session_user.
inline constexpr std::string_view move_obstacles[] = {
    "listen", "advisory_lock", "cursor", "temporary_table", "temporary_object", "prepared_in_sql"};
inline constexpr std::size_t move_role_column = std::size(move_obstacles);
inline constexpr std::size_t move_user_column = move_role_column + 1;
inline constexpr std::size_t move_state_columns = move_user_column + 1;

}  // namespace sallyport::broker
