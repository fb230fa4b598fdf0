// Prepared statements in transaction pooling: clients name them, server connections have them, and neither knows of
// the other's. So each text has one name of ours on every server connection, whoever prepared it.
//
// Source  PostgreSQL manual, "Extended Query": a named statement lasts until it is closed, the unnamed one until the
//         next Parse of it or simple Query.
#pragma once

#include "base/bytes.h"

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

/// What a text says of the session that executes it.
struct TextFacts {
  bool names_path = false;   ///< it sets search_path
  bool reads_value = false;  ///< as StateScanner::reads_value()
};

/// One text with its parameter types.
struct Statement {
  std::uint64_t number = 0;
  std::string name;                ///< on server connections
  std::vector<std::uint8_t> body;  ///< of its Parse, behind the name
  TextFacts facts;
};
using StatementPtr = std::shared_ptr<const Statement>;

/// What no two of a process may have alike: clients take along what they have prepared from one pool to another, also
/// where the other one knows nothing of the first (a target that a reload removes, and the next one puts back).
struct StatementNumbers {
  std::uint64_t next = 1;
  std::uint64_t last_stamp = 0;
};

/// The texts that the sessions of one pool have prepared. It keeps none of them alive. In order, not by hash: a client
/// must not be able to make texts that are slow to find.
class StatementRegistry {
 public:
  explicit StatementRegistry(std::shared_ptr<StatementNumbers> numbers = std::make_shared<StatementNumbers>())
      : numbers_(std::move(numbers)) {}
  /// `body`: of Parse, behind the statement's name.
  StatementPtr intern(Bytes body, TextFacts facts = {});
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
  using Texts = std::map<std::string_view, std::weak_ptr<const Statement>>;  // of their own bodies
  struct Listed;

  void name(Statement& fresh, Bytes body, TextFacts facts) const;

  std::shared_ptr<Texts> texts_ = std::make_shared<Texts>();
  std::shared_ptr<StatementNumbers> numbers_;
};

/// Those that one server connection has, the least recently used first to go.
class UpstreamStatements {
 public:
  /// Marks it as used.
  [[nodiscard]] bool has(const Statement& statement);
  void add(StatementPtr statement) { add(std::move(statement), path_); }
  /// It was here before; under which search_path it was made is not known any more.
  void add_again(StatementPtr statement) { add(std::move(statement), 0); }
  void remove(const Statement& statement);
  void clear();
  /// Null: none.
  [[nodiscard]] StatementPtr oldest() const { return order_.empty() ? nullptr : order_.front(); }
  [[nodiscard]] std::size_t size() const { return order_.size(); }
  /// Of their texts.
  [[nodiscard]] std::size_t bytes() const { return bytes_; }
  /// What names without a schema mean is about to change, or has: those that it has were made with the old meaning.
  void on_path_changed() { path_ = ++paths_; }
  /// It is what it was at the login, and so what it is to nearly everybody.
  void on_path_restored() { path_ = first_path; }
  /// Was made before that. It has it.
  [[nodiscard]] bool is_of_another_path(const Statement& statement) const {
    return places_.at(statement.number).path != path_;
  }

  /// Which unnamed statement it has: a stamp of the registry's; 0: nobody's.
  std::uint64_t unnamed = 0;

 private:
  static constexpr std::uint64_t first_path = 1;

  void add(StatementPtr statement, std::uint64_t path);

  struct Place {
    std::list<StatementPtr>::iterator at;
    std::uint64_t path = 0;
  };

  std::list<StatementPtr> order_;
  std::size_t bytes_ = 0;
  std::uint64_t path_ = first_path, paths_ = first_path;
  std::unordered_map<std::uint64_t, Place> places_;
};

}  // namespace sallyport::postgres
