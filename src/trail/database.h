// SQLite in the little that the index needs: statements that finish themselves and errors as Results.
#pragma once

#include "base/result.h"

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

struct sqlite3;
struct sqlite3_stmt;

namespace sallyport::trail {

class Statement {
 public:
  explicit Statement(sqlite3_stmt* statement) : statement_(statement) {}

  Statement& bind(int position, std::string_view value);
  Statement& bind(int position, std::int64_t value);
  Statement& bind(int position, std::uint64_t value) {
    return bind(position, static_cast<std::int64_t>(value));
  }

  /// True while there is a row. Errors  as Database::failure.
  Result<bool> step();
  /// One step of a statement that yields no rows; then ready to be bound again.
  Result<void> run();
  void reset();

  [[nodiscard]] std::int64_t integer(int column) const;
  [[nodiscard]] std::uint64_t count(int column) const { return static_cast<std::uint64_t>(integer(column)); }
  [[nodiscard]] std::string text(int column) const;

 private:
  struct Finalize {
    void operator()(sqlite3_stmt* statement) const;
  };
  std::unique_ptr<sqlite3_stmt, Finalize> statement_;
};

class Database {
 public:
  /// A file that is created 0600 when missing and never a link, or ":memory:".
  static Result<Database> open(const std::string& path);

  /// Statements without rows, separated by semicolons.
  Result<void> execute(const char* sql);
  Result<Statement> prepare(std::string_view sql);

 private:
  struct Close {
    void operator()(sqlite3* connection) const;
  };
  explicit Database(sqlite3* connection) : connection_(connection) {}
  std::unique_ptr<sqlite3, Close> connection_;
};

/// invalid_message: the file is damaged or no database.  denied: it cannot be written here.
/// timed_out: other readers held it longer than 10 s.  retry_later: anything else.
Error database_error(sqlite3* connection);

}  // namespace sallyport::trail
