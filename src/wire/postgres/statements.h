// Prepared statements in transaction pooling: clients name them, server connections have them, and neither knows of
// the other's. So each text has one name of ours on every server connection, whoever prepared it, among those for whom it
// means the same.
//
// Source  PostgreSQL manual, "Extended Query": a named statement lasts until it is closed, the unnamed one until the
//         next Parse of it or simple Query.
#pragma once

#include "base/bytes.h"
#include "wire/postgres/session_state.h"

#include <cstddef>
#include <cstdint>
#include <list>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

namespace sallyport::postgres {

/// What our names begin with on the server.
inline constexpr std::string_view statement_prefix = "sallyport_s";

/// A client's own name of one: a server takes no longer Close and Describe.
inline constexpr std::size_t name_bytes_max = 10'000;
/// What one costs beside its text and its name.
inline constexpr std::size_t bytes_beside_name = 128;

/// Of ReportedNames::reading(): what is prepared under a longer one is shared with nobody.
inline constexpr std::size_t reading_bytes_max = 256;

/// What a text says of the session that executes it.
struct TextFacts {
  bool changes_reading = false;  ///< as StateScanner::take_reading_changed()
  bool defines = false;          ///< as StateScanner::take_defines()
  bool reads_value = false;      ///< as StateScanner::reads_value()
  StateReasons leaves = {};      ///< each time that it is executed
  bool ends_statements = false;  ///< DEALLOCATE or DISCARD
};

/// One text with its parameter types.
struct Statement {
  std::uint64_t number = 0;
  std::string name;                ///< on server connections
  std::vector<std::uint8_t> body;  ///< of its Parse, behind the name
  std::string reading;             ///< ReportedNames::reading() where it was parsed first
  TextFacts facts;
  bool shared = false;  ///< by all who prepare this text under this reading
};
using StatementPtr = std::shared_ptr<const Statement>;

/// What no two of a process may have alike: clients take along what they have prepared from one pool to another, also
/// where the other one knows nothing of the first (a target that a reload removes, and the next one puts back).
struct StatementNumbers {
  std::uint64_t next = 1;
  std::uint64_t last_stamp = 0;
};

/// The texts that the sessions of one target have prepared. It keeps none of them alive. In order, not by hash: a client
/// must not be able to make texts that are slow to find.
class StatementRegistry {
 public:
  explicit StatementRegistry(std::shared_ptr<StatementNumbers> numbers = std::make_shared<StatementNumbers>())
      : numbers_(std::move(numbers)) {}
  /// `body`: of Parse, behind the statement's name.
  StatementPtr intern(Bytes body, TextFacts facts = {}, std::string_view reading = {});
  /// One that nobody else is given, whoever prepares the same text.
  [[nodiscard]] StatementPtr make_own(Bytes body, TextFacts facts) const;
  /// The next who prepares this text gets another name: the server refuses to go on with the old plan (0A000).
  void retire(const Statement& statement);
  /// Of any text: what tables and types are may have changed, and with it what was made of its parameters.
  void retire_all() { texts_->clear(); }
  /// For an unnamed statement (UpstreamStatements::unnamed): no other one has the same.
  [[nodiscard]] std::uint64_t next_stamp() { return ++numbers_->last_stamp; }
  [[nodiscard]] std::size_t size() const { return texts_->size(); }

 private:
  using Key = std::pair<std::string_view, std::string_view>;  // their own bodies, and readings
  using Texts = std::map<Key, std::weak_ptr<const Statement>>;
  struct Listed;

  static Key key_of(const Statement& statement) { return {as_text(statement.body), statement.reading}; }
  void name(Statement& fresh, Bytes body, TextFacts facts) const;

  std::shared_ptr<Texts> texts_ = std::make_shared<Texts>();
  std::shared_ptr<StatementNumbers> numbers_;
};

/// Those that one server connection has, the least recently used first to go.
class UpstreamStatements {
 public:
  /// Marks it as used.
  [[nodiscard]] bool has(const Statement& statement);
  void add(StatementPtr statement) { add(std::move(statement), reading_); }
  /// It was here before; what it was made under is not known any more.
  void add_again(StatementPtr statement) { add(std::move(statement), 0); }
  void remove(const Statement& statement);
  void clear();
  /// Null: none.
  [[nodiscard]] StatementPtr oldest() const { return order_.empty() ? nullptr : order_.front(); }
  [[nodiscard]] std::size_t size() const { return order_.size(); }
  /// Of their texts.
  [[nodiscard]] std::size_t bytes() const { return bytes_; }
  /// What names without a schema mean is about to change, or has, or what constants are read as, beside what the server
  /// reports: those that it has were made with the old meaning.
  void on_reading_changed() { reading_ = ++readings_; }
  /// It is what it was at the login, and so what it is to nearly everybody.
  void on_reading_restored() { reading_ = first_reading; }
  /// Was made before that. It has it.
  [[nodiscard]] bool is_of_another_reading(const Statement& statement) const {
    return places_.at(statement.number).reading != reading_;
  }

  /// Which unnamed statement it has: a stamp of the registry's; 0: nobody's.
  std::uint64_t unnamed = 0;

 private:
  static constexpr std::uint64_t first_reading = 1;

  void add(StatementPtr statement, std::uint64_t reading);

  struct Place {
    std::list<StatementPtr>::iterator at;
    std::uint64_t reading = 0;
  };

  std::list<StatementPtr> order_;
  std::size_t bytes_ = 0;
  std::uint64_t reading_ = first_reading, readings_ = first_reading;
  std::unordered_map<std::uint64_t, Place> places_;
};

}  // namespace sallyport::postgres
