// Finds records fast: an SQLite file beside the log that says where each record stands.
//
// It is never the truth. It holds positions and the fields that queries filter on; what a query hands
// out is read from the segment and checked there. It is filled behind the log by whoever queries, can
// be deleted at any time, and is rebuilt when it is damaged, of another version, or disagrees with the
// log. Where it cannot be written (a read-only file system, another user's trail) it is made in memory.
#pragma once

#include "base/clock.h"
#include "trail/database.h"
#include "trail/finding.h"
#include "trail/reader.h"

#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace sallyport::trail {

/// Empty means any. Strings match whole values.
struct Query {
  std::optional<WallTime> since;  ///< at or after
  std::optional<WallTime> until;  ///< before
  std::string kind, target, role, result, session;
  std::string identity;  ///< as identity_of() says: "uid:1000(app)"; or its account alone: "uid:1000", "app"
  std::string
      account;  ///< another spelling of `identity` that will do: the number of a name, which denials have alone
  std::size_t newest = 0;  ///< only the newest N; 0: all
};

/// Whether a record is what the query asks for (`newest` aside): for following a live trail.
bool matches(const Query& query, const Record& record);

class Index {
 public:
  /// Opens or makes the index of a trail and brings it up to date.
  ///
  /// Errors  not_found: there is no trail.  retry_later: the trail cannot be read.
  static Result<Index> open(const std::string& trail_directory);

  /// Takes up what was written since.
  Result<void> update();

  /// Records that match, oldest first.
  Result<void> query(const Query& query, const std::function<void(const LogRecord&)>& take);

  /// Damage of the trail, found when its records were taken up (by any reader) or read now.
  Result<std::vector<Finding>> findings();

  /// How far each writer's log is indexed: following goes on there.
  Result<std::vector<std::pair<std::string, Position>>> positions();

  [[nodiscard]] bool in_memory() const { return path_ == ":memory:"; }

 private:
  struct Place {
    std::string writer;
    std::uint64_t segment = 0, offset = 0, sequence = 0;
  };

  Index(std::string directory, std::string path, Database database)
      : directory_(std::move(directory)), path_(std::move(path)), database_(std::move(database)) {}

  static Result<Index> open_at(const std::string& trail_directory, const std::string& path);
  Result<void> prepare_schema();
  Result<bool> update_some();
  Result<bool> take_up(WriterLog& log, std::size_t& room, std::vector<Finding>& findings);
  Result<void> store_position(const WriterLog& log);
  Result<void> store(const std::vector<Finding>& findings);
  Result<void> check_segments(std::vector<Finding>& findings);
  Result<void> rebuild();
  Result<std::vector<Place>> places_of(const Query& query);
  std::optional<std::string> read(const Place& place);
  std::optional<LogRecord> record_at(const Place& place);

  std::string directory_;
  std::string path_;
  Database database_;
  std::string open_path_;  // the segment that read() looked at last
  FileDescriptor open_file_;
  std::vector<Finding> read_findings_;
};

}  // namespace sallyport::trail
