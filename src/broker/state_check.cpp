#include "broker/state_check.h"

#include "broker/move_questions.h"
#include "wire/postgres/quote.h"

#include <vector>

namespace sallyport::broker {

namespace {

using postgres::StateReason;

/// In the order of move_obstacles.
constexpr StateReason reasons[] = {StateReason::listen,           StateReason::advisory_lock,
                                   StateReason::cursor_with_hold, StateReason::temporary_table,
                                   StateReason::temporary_table,  StateReason::prepared_in_sql};
static_assert(std::size(reasons) == std::size(move_obstacles));

constexpr std::size_t settings_column = move_state_columns;
constexpr std::size_t columns = move_state_columns + 1;

}  // namespace

std::string state_question(const ParameterMap& reported) {
  std::string sql{move_state_question()};
  sql +=
      ", (SELECT pg_catalog.count(*) FROM pg_catalog.pg_settings WHERE source OPERATOR(pg_catalog.=) "
      "'session'"
      " AND NOT (name OPERATOR(pg_catalog.=) ANY (ARRAY['role', 'session_authorization'"
      // Of a transaction that is over: no later one finds them, and DISCARD ALL leaves them.
      ", 'transaction_isolation', 'transaction_read_only', 'transaction_deferrable'";
  for (const auto& [name, value] : reported) sql += ", " + postgres::quote_literal(name);
  return sql + "])))";
}

Result<postgres::StateReasons> state_of_answer(Bytes row, std::string_view role, std::string_view user) {
  ByteReader reader{row};
  std::vector<std::string_view> values;
  for (auto left = reader.u16(); left > 0 && reader.ok(); --left) {
    const auto size = reader.i32();
    values.push_back(size < 0 ? std::string_view{} : as_text(reader.take(static_cast<std::size_t>(size))));
  }
  if (auto end = reader.finish("DataRow"); !end || values.size() != columns) {
    return Error{ErrorCode::peer_misbehaved, Hop::session, "verify_session_state",
                 "a row of another shape",   {},           {}};
  }
  postgres::StateReasons found;
  for (std::size_t i = 0; i < std::size(reasons); ++i) {
    if (values[i] != "0") found.add(reasons[i]);
  }
  const bool role_kept = values[move_role_column] == (role.empty() ? std::string_view{"none"} : role);
  if (!role_kept || values[move_user_column] != user) found.add(StateReason::set_role);
  if (values[settings_column] != "0") found.add(StateReason::setting);
  return found;
}

}  // namespace sallyport::broker
