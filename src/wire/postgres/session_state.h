// What a session leaves behind on its server connection, as far as its SQL tells: in transaction pooling such a
// session keeps the connection (or is refused), or the next one would find it.
//
// Read from the text with a real lexer, statement by statement. Best effort all the same: functions hide what they
// do, and so does text that a function executes; DO blocks are looked into. On the safe side where it costs little:
// what a transaction takes back again still counts.
//
// Source  PostgreSQL manual, "SET", "LISTEN", "CREATE TABLE", "DECLARE", "PREPARE", "Advisory Lock Functions",
//         "Sequence Manipulation Functions".
#pragma once

#include "base/bytes.h"
#include "wire/postgres/sql_lexer.h"

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

namespace sallyport::postgres {

enum class StateReason : std::uint8_t {
  listen,
  temporary_table,
  cursor_with_hold,
  advisory_lock,
  loaded_library,
  setting,         ///< SET of a parameter that the server does not report
  custom_setting,  ///< of one with a dot in its name, which no catalogue shows
  set_config,      ///< set_config(…, false) of either
  set_role,        ///< SET ROLE, SET SESSION AUTHORIZATION
  prepared_in_sql,
  sequence_value,  ///< currval, lastval
  random_seed,
  dblink,
  replication_origin,
  replication_slot,  ///< one that ends with its session
  // Not read from SQL:
  function_call,        ///< the protocol's, of a function that leaves state
  statement_too_large,  ///< Parse whose text is not kept
  requests_unclear,     ///< what the server still owes cannot be told
  too_many_statements,  ///< more text than is kept (session pooling)
};
inline constexpr std::size_t state_reasons = 19;

/// "listen", "temporary_table", …: a label for metrics, the trail and messages.
std::string_view name_of(StateReason reason);
/// Whether the protocol's call of this function (its OID) leaves state: set_config, setseed, currval, lastval, session
/// advisory locks, replication origins and slots. What a call of any other one hides is not seen, as in SQL.
bool leaves_state(std::uint32_t function);
/// currval or lastval, by its OID.
bool reads_sequence(std::uint32_t function);
/// A function that makes a replication slot, perhaps one that ends with the session. In lower case.
bool makes_replication_slot(std::string_view function);

/// A set of them.
class StateReasons {
 public:
  void add(StateReason reason) { bits_ |= bit(reason); }
  void add(StateReasons others) { bits_ |= others.bits_; }
  void remove(StateReasons others) { bits_ &= ~others.bits_; }
  [[nodiscard]] bool has(StateReason reason) const { return (bits_ & bit(reason)) != 0; }
  [[nodiscard]] bool empty() const { return bits_ == 0; }
  /// The first in the order above. Only of a set that is not empty.
  [[nodiscard]] StateReason first() const;
  /// Those of which the server's catalogues tell nothing.
  [[nodiscard]] StateReasons hidden() const;
  /// DISCARD ALL has been done: what it does not undo stays. Of which function a function_call was is not remembered.
  void discard_all();
  bool operator==(const StateReasons&) const = default;

 private:
  static std::uint32_t bit(StateReason reason) { return 1U << static_cast<unsigned>(reason); }
  std::uint32_t bits_ = 0;
};

/// A value of search_path that has the schema of temporary objects in it: a plain CREATE TABLE may make one.
bool has_temporary_schema(std::string_view search_path);

/// A client encoding in which our reading of texts is not the server's.
bool is_unsafe_encoding(std::string_view name);

/// Which parameters the server reports by itself when they change: their values are followed, and set again.
class ReportedNames {
 public:
  /// `name` in lower case.
  [[nodiscard]] virtual bool is_reported(std::string_view name) const = 0;
  /// What a text means to who parses it now, as far as the server reports that: DateStyle and the like, and search_path.
  [[nodiscard]] virtual std::string reading() const = 0;

 protected:
  ~ReportedNames() = default;
};

/// Reads the SQL texts of one session.
class StateScanner {
 public:
  /// Another text begins.
  void start(const ReportedNames& reported, bool backslashes);
  /// The next bytes of it, up to its zero byte.
  void look_at(Bytes piece);
  /// What all texts so far leave behind.
  [[nodiscard]] StateReasons& found() { return found_; }
  [[nodiscard]] const StateReasons& found() const { return found_; }
  /// Whether a text since the last call changes, perhaps for its transaction alone, what others mean that are parsed behind
  /// it: search_path (SET, RESET, SET SCHEMA, set_config, SET ROLE as "$user" is in it), what constants are read by
  /// (DateStyle and the like), temporary tables, in front of others of the same name.
  bool take_reading_changed() { return std::exchange(reading_changed_, false); }
  /// Whether one makes, alters or drops something that texts may name, for all sessions: CREATE, SELECT INTO; DO, as it may.
  bool take_defines() { return std::exchange(defines_, false); }

  // Of the text that was looked at last: it reads what a sequence has given (currval, lastval), and nothing else in it
  // could have drawn a value; and it is more than a word about a transaction, and so could have.
  [[nodiscard]] bool reads_value() const { return reads_value_ && !draws_; }
  [[nodiscard]] bool may_draw() const { return draws_ || stated_; }

  // ---- told by the lexer ----
  void on_word(std::string_view word, bool quoted);
  void on_hidden_word();
  void on_text(std::string_view begin);
  void on_symbol(char symbol);
  [[nodiscard]] bool texts_are_code() const { return block_; }

 private:
  enum class Statement : std::uint8_t {
    none,  // its first word is to come
    other,
    set,       // SET, or SET SESSION
    set_name,  // up to = or TO
    reset,
    create,
    select_into,
    declare,
    prepare,
    show,
    anonymous_block,
  };
  /// The arguments of a call of set_config, or of a function that makes a replication slot, as far as they decide.
  struct Call {
    bool makes_slot = false;
    unsigned depth = 0;  // of parentheses; 0: in no call
    unsigned argument = 0;
    bool begun = false;     // this argument has a token
    bool reported = false;  // the first argument is one constant, and names such a parameter
    // The third argument is one that leaves nothing behind, and nothing else: set_config's TRUE, a slot's FALSE.
    bool harmless = false;
    bool names_temporary = false;  // temporary => …
    bool of_path = false;          // the first argument is 'search_path'
  };

  static bool is_of_role(std::string_view name);
  /// Of set_config's parameter, in lower case. With escapes in it, it is another one than it looks like.
  static bool may_change_reading(std::string_view name);
  void look_for_reading(std::string_view name);
  void look_for_names(std::string_view word);
  void begin_statement(std::string_view word);
  void on_word_of_block(std::string_view word);
  void become_plain() { statement_ = block_ ? Statement::anonymous_block : Statement::other; }
  void on_keyword(std::string_view word);
  void on_set_word(std::string_view word, bool quoted);
  void set(std::string_view name);
  void on_call();
  void begin_call(bool makes_slot);
  void end_call();
  [[nodiscard]] StateReason reason_of_call() const {
    return call_.makes_slot ? StateReason::replication_slot : StateReason::set_config;
  }
  void on_argument(std::string_view token, bool is_text);
  void on_call_symbol(char symbol);
  void end_statement();
  void begin_anew();

  SqlLexer lexer_;
  const ReportedNames* reported_ = nullptr;  // during look_at
  StateReasons found_;
  Statement statement_ = Statement::none;
  std::uint8_t words_ = 0;          // of this statement, up to 255
  bool block_ = false;              // it is a DO: statements begin anywhere, also in its texts
  bool in_update_ = false;          // in a block: SET is the UPDATE's
  bool temporary_ = false;          // a temporary table is made
  bool set_keyword_ = false;        // the last token was the word behind SET
  bool makes_ = false;              // or something else: a table, a function, a type
  std::uint8_t options_depth_ = 0;  // in their parentheses
  bool explains_ = false;           // EXPLAIN: options in parentheses may follow
  bool updates_ = false;            // the statement has had the word UPDATE
  bool into_ = false;               // INTO, and LOCAL or GLOBAL behind it
  bool of_path_ = false;            // SET [LOCAL] search_path
  bool reading_changed_ = false, defines_ = false;
  bool draws_ = false, stated_ = false, reads_value_ = false;
  std::uint8_t drop_words_ = 0;  // of ON COMMIT DROP
  bool last_was_word_ = false;   // the last token: a call if a parenthesis follows
  std::string last_word_;
  std::string name_;  // of a setting
  Call call_;
};

}  // namespace sallyport::postgres
