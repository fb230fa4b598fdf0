// The reasons for which a session keeps its connection, their names, and which of them a reset or a catalogue knows.
#include "wire/postgres/session_state.h"

#include <algorithm>
#include <bit>
#include <iterator>

namespace sallyport::postgres {

namespace {

constexpr std::string_view names[] = {
    "listen",         "temporary_table",     "cursor_with_hold", "advisory_lock",      "loaded_library",
    "setting",        "custom_setting",      "set_config",       "set_role",           "prepared_in_sql",
    "sequence_value", "random_seed",         "dblink",           "replication_origin", "replication_slot",
    "function_call",  "statement_too_large", "requests_unclear", "too_many_statements"};
static_assert(std::size(names) == state_reasons);

}  // namespace

// Those of PostgreSQL's client encodings in which a byte of ASCII may be the second of a character: where a text ends
// would be read otherwise. As pg_char_to_encoding compares: letters and digits alone.
bool is_unsafe_encoding(std::string_view name) {
  if (name.size() < 3 || name.size() > 24) return false;
  const auto letter = [&name](std::size_t at) {
    return name[at] >= 'A' && name[at] <= 'Z' ? static_cast<char>(name[at] + ('a' - 'A')) : name[at];
  };
  // Nearly every word ends here: this is looked at for each one of SQL.
  constexpr std::string_view beginnings = "sj sh ms wi bi gb uh jo";
  const char two[] = {letter(0), letter(1)};
  const bool plain_start = two[1] >= 'a' && two[1] <= 'z';
  if (plain_start && beginnings.find(std::string_view{two, 2}) == std::string_view::npos) return false;
  std::string plain;
  for (std::size_t i = 0; i < name.size(); ++i) {
    const char c = letter(i);
    if ((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9')) plain += c;
  }
  static constexpr std::string_view unsafe[] = {
      "sjis",    "shiftjis", "mskanji",    "win932",     "windows932", "shiftjis2004",
      "big5",    "win950",   "windows950", "gbk",        "win936",     "windows936",
      "gb18030", "uhc",      "win949",     "windows949", "johab"};
  return std::find(std::begin(unsafe), std::end(unsafe), plain) != std::end(unsafe);
}

bool has_temporary_schema(std::string_view search_path) {
  constexpr std::string_view schema = "pg_temp";
  const auto same = [](char a, char b) {
    return (a >= 'A' && a <= 'Z' ? static_cast<char>(a + ('a' - 'A')) : a) == b;
  };
  return std::search(search_path.begin(), search_path.end(), schema.begin(), schema.end(), same) !=
         search_path.end();
}

// pg_proc.dat.
bool leaves_state(std::uint32_t function) {
  static constexpr std::uint32_t known[] = {2078, 1599, 1575, 2559, 6006,  // of settings, sequences, origins
                                            3779, 3786, 4220, 4221, 4222, 4223, 4224};  // slots
  const bool lock = function >= 2880 && function <= 2889;
  return lock || std::find(std::begin(known), std::end(known), function) != std::end(known);
}

bool reads_sequence(std::uint32_t function) { return function == 1575 || function == 2559; }

bool makes_replication_slot(std::string_view function) {
  return (function.starts_with("pg_create_") || function.starts_with("pg_copy_")) &&
         function.ends_with("_replication_slot");
}

std::string_view name_of(StateReason reason) { return names[static_cast<std::size_t>(reason)]; }

StateReason StateReasons::first() const { return static_cast<StateReason>(std::countr_zero(bits_)); }

StateReasons StateReasons::hidden() const {
  StateReasons hidden;
  for (const auto reason :
       {StateReason::custom_setting, StateReason::set_config, StateReason::sequence_value,
        StateReason::random_seed, StateReason::loaded_library, StateReason::dblink,
        StateReason::replication_origin, StateReason::replication_slot, StateReason::function_call,
        StateReason::statement_too_large, StateReason::requests_unclear, StateReason::too_many_statements}) {
    if (has(reason)) hidden.add(reason);
  }
  return hidden;
}

void StateReasons::discard_all() {
  bits_ &= bit(StateReason::loaded_library) | bit(StateReason::random_seed) | bit(StateReason::dblink) |
           bit(StateReason::replication_origin) | bit(StateReason::replication_slot) |
           bit(StateReason::function_call) | bit(StateReason::requests_unclear);
}

}  // namespace sallyport::postgres
