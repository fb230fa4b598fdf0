#include "trail/database.h"

#include "trail/files.h"

#include <fcntl.h>
#include <sqlite3.h>

namespace sallyport::trail {
namespace {

constexpr int busy_timeout_ms = 10'000;

}  // namespace

void Statement::Finalize::operator()(sqlite3_stmt* statement) const { sqlite3_finalize(statement); }

Statement& Statement::bind(int position, std::string_view value) {
  sqlite3_bind_text64(statement_.get(), position, value.data(), value.size(), SQLITE_TRANSIENT, SQLITE_UTF8);
  return *this;
}

Statement& Statement::bind(int position, std::int64_t value) {
  sqlite3_bind_int64(statement_.get(), position, value);
  return *this;
}

Result<bool> Statement::step() {
  switch (sqlite3_step(statement_.get())) {
    case SQLITE_ROW: return true;
    case SQLITE_DONE: return false;
    default: return database_error(sqlite3_db_handle(statement_.get()));
  }
}

Result<void> Statement::run() {
  const auto stepped = step();
  reset();
  if (!stepped) return stepped.error();
  return {};
}

void Statement::reset() { sqlite3_reset(statement_.get()); }

std::int64_t Statement::integer(int column) const { return sqlite3_column_int64(statement_.get(), column); }

std::string Statement::text(int column) const {
  const auto* bytes = sqlite3_column_text(statement_.get(), column);
  const auto size = sqlite3_column_bytes(statement_.get(), column);
  return bytes == nullptr ? std::string{}
                          : std::string{reinterpret_cast<const char*>(bytes), static_cast<std::size_t>(size)};
}

void Database::Close::operator()(sqlite3* connection) const { sqlite3_close_v2(connection); }

Result<Database> Database::open(const std::string& path) {
  if (path != ":memory:") {
    // SQLite would make it with the umask's rights.
    const FileDescriptor made{::open(path.c_str(), O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600)};
  }
  sqlite3* connection = nullptr;
  constexpr int flags =
      SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOFOLLOW | SQLITE_OPEN_FULLMUTEX;
  const int opened = sqlite3_open_v2(path.c_str(), &connection, flags, nullptr);
  Database database{connection};
  if (opened != SQLITE_OK) return database_error(connection);
  sqlite3_busy_timeout(connection, busy_timeout_ms);
  // The file may be anybody's who can write the trail: its schema must not run functions or triggers.
  sqlite3_db_config(connection, SQLITE_DBCONFIG_DEFENSIVE, 1, nullptr);
  sqlite3_db_config(connection, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, nullptr);
  return database;
}

Result<void> Database::execute(const char* sql) {
  if (sqlite3_exec(connection_.get(), sql, nullptr, nullptr, nullptr) != SQLITE_OK)
    return database_error(connection_.get());
  return {};
}

Result<Statement> Database::prepare(std::string_view sql) {
  sqlite3_stmt* statement = nullptr;
  if (sqlite3_prepare_v2(connection_.get(), sql.data(), static_cast<int>(sql.size()), &statement, nullptr) !=
      SQLITE_OK) {
    return database_error(connection_.get());
  }
  return Statement{statement};
}

Error database_error(sqlite3* connection) {
  Error error{ErrorCode::retry_later,
              Hop::trail,
              "index",
              "",
              "It is rebuilt from the trail when index.db is deleted.",
              ""};
  error.what = connection != nullptr ? sqlite3_errmsg(connection) : "out of memory";
  switch (connection != nullptr ? sqlite3_errcode(connection) : SQLITE_NOMEM) {
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
    case SQLITE_SCHEMA:
    case SQLITE_ERROR:  // a table that is not as we made it
    case SQLITE_CONSTRAINT:
    case SQLITE_MISMATCH: error.code = ErrorCode::invalid_message; break;
    case SQLITE_READONLY:
    case SQLITE_CANTOPEN:
    case SQLITE_PERM: error.code = ErrorCode::denied; break;
    case SQLITE_BUSY:
    case SQLITE_LOCKED: error.code = ErrorCode::timed_out; break;
    default: break;
  }
  return error;
}

}  // namespace sallyport::trail
