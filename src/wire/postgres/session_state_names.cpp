// Names that matter in SQL: of settings that change what other texts mean, and of what tells that a text is read otherwise by
// the server than by us.
#include "wire/postgres/session_state.h"
#include "wire/postgres/statements.h"

#include <algorithm>
#include <iterator>

namespace sallyport::postgres {

namespace {

/// A parameter that decides what a constant is read as, or an operator.
bool reads_by(std::string_view name) {
  static constexpr std::string_view known[] = {"datestyle",
                                               "intervalstyle",
                                               "timezone",
                                               "time",
                                               "client_encoding",
                                               "names",
                                               "xml",
                                               "xmloption",
                                               "array_nulls",
                                               "lc_monetary",
                                               "transform_null_equals",
                                               "timezone_abbreviations",
                                               "standard_conforming_strings",
                                               "backslash_quote"};
  return std::find(std::begin(known), std::end(known), name) != std::end(known);
}

}  // namespace

bool StateScanner::may_change_reading(std::string_view name) {
  constexpr std::string_view plain = "abcdefghijklmnopqrstuvwxyz0123456789_.$";
  return is_of_role(name) || name == "search_path" || reads_by(name) ||
         name.find_first_not_of(plain) != std::string_view::npos;
}

// SET search_path and SET SCHEMA, also with LOCAL or SESSION: tables that are made then may be temporary without saying
// so. Not the option of a function or a role.
void StateScanner::look_for_reading(std::string_view name) {
  const bool set = last_word_ == "set" || last_word_ == "local" || last_word_ == "session";
  const bool resets = last_word_ == "reset";
  if ((!set && !resets) || (!block_ && words_ != 1 && words_ != 2)) return;
  const bool of_user = name == "role" || name == "authorization";  // "$user" stands in the path
  const bool of_path = name == "search_path" || name == "schema";
  of_path_ = of_path_ || (of_path && set);
  if (of_path || of_user || reads_by(name) || (resets && (name == "all" || name == "session")))
    reading_changed_ = true;
}

// Names that matter wherever they stand.
void StateScanner::look_for_names(std::string_view word) {
  // Of the statements that sessions share: nobody's to end, or to make.
  if (word.starts_with(statement_prefix)) found_.add(StateReason::prepared_in_sql);
  // Texts would be read otherwise by the server than by us.
  if ((word == "standard_conforming_strings" && statement_ != Statement::show) || is_unsafe_encoding(word))
    found_.add(StateReason::setting);
  if (of_path_ && has_temporary_schema(word)) found_.add(StateReason::temporary_table);
  if (word == "update") updates_ = true;
  if (word == "pg_settings" && updates_) {
    found_.add(StateReason::setting);
    reading_changed_ = true;
  }
}

}  // namespace sallyport::postgres
