// Calls of functions in SQL that leave state behind, by their names, and where those of set_config and of replication
// slots have arguments that say they leave none.
#include "wire/postgres/session_state.h"

#include "base/ascii.h"

#include <string>

namespace sallyport::postgres {

void StateScanner::on_call() {
  const std::string_view name = last_word_;
  if (name == "set_config") {
    begin_call(false);
  } else if (name == "setseed") {
    found_.add(StateReason::random_seed);
  } else if (name == "currval" || name == "lastval") {
    found_.add(StateReason::sequence_value);
    reads_value_ = true;
  } else if (name.starts_with("pg_advisory_lock") || name.starts_with("pg_try_advisory_lock")) {
    found_.add(StateReason::advisory_lock);
  } else if (name.starts_with("dblink_")) {
    found_.add(StateReason::dblink);
  } else if (name.starts_with("pg_replication_origin_session_setup")) {
    found_.add(StateReason::replication_origin);
  } else if (makes_replication_slot(name)) {
    begin_call(true);
  }
}

void StateScanner::begin_call(bool makes_slot) {
  // One within another's arguments is not told apart.
  if (call_.depth > 0) found_.add(reason_of_call());
  call_ = {};
  call_.makes_slot = makes_slot;
  call_.depth = 1;
}

void StateScanner::end_call() {
  if (call_.makes_slot) {
    const bool permanent = call_.argument < 2 || call_.harmless;
    if (call_.names_temporary || !permanent) found_.add(StateReason::replication_slot);
  } else if (!call_.harmless && !call_.reported) {
    found_.add(StateReason::set_config);
  }
}

void StateScanner::on_argument(std::string_view token, bool is_text) {
  switch (call_.argument) {
    case 0:
      call_.reported =
          is_text && !call_.begun && !is_of_role(to_lower(token)) && reported_->is_reported(to_lower(token));
      call_.of_path = is_text && to_lower(token) == "search_path";
      // A name that is put together, or comes from elsewhere, may be any.
      if (!call_.makes_slot &&
          (!is_text || call_.begun || !lexer_.knows_text() || may_change_reading(to_lower(token))))
        reading_changed_ = true;
      break;
    case 1:
      if (call_.of_path && (has_temporary_schema(token) || (is_text && !lexer_.knows_text())))
        found_.add(StateReason::temporary_table);
      break;
    case 2: {
      const std::string_view whole = call_.makes_slot ? "false" : "true";
      call_.harmless = !call_.begun && (token == whole || (is_text && token == whole.substr(0, 1)));
      break;
    }
    default: break;
  }
  if (!is_text && token == "temporary") call_.names_temporary = true;
  call_.begun = true;
}

void StateScanner::on_call_symbol(char symbol) {
  switch (symbol) {
    case '(': ++call_.depth; break;
    case ')':
      if (--call_.depth == 0) end_call();
      break;
    case ',':
      if (call_.depth != 1) break;
      ++call_.argument;
      call_.begun = false;
      return;
    default: break;
  }
  if (call_.depth == 0) return;
  // Part of an expression.
  if (call_.argument == 0) {
    call_.reported = false;
    reading_changed_ = reading_changed_ || !call_.makes_slot;
  }
  if (call_.argument == 2) call_.harmless = false;
  call_.begun = true;
}

}  // namespace sallyport::postgres
