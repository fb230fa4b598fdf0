// Reads a trail: the segments of all writers, live or dead, in the order of time.
//
// Readers take no lock and change nothing. An unfinished last line is what a live writer is writing or
// a dead one left: the reader stops before it and looks again next time. Everything else that is wrong
// becomes a Finding with file and offset, and reading goes on behind it.
#pragma once

#include "trail/files.h"
#include "trail/finding.h"
#include "trail/record.h"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace sallyport::trail {

/// One record and where it stands.
struct LogRecord {
  Record record;
  std::string text;  ///< the JSON as written
  std::string writer;
  std::uint64_t segment = 0;
  std::uint64_t offset = 0;  ///< of its line
};

/// How far a writer's log has been read. All zero: from its start.
struct Position {
  std::uint64_t segment = 0;
  std::uint64_t offset = 0;
  std::uint64_t next_sequence = 0;
};

/// The names of the writers' directories of a trail, sorted.
/// Errors  not_found: there is no trail there.  retry_later: it cannot be listed.
Result<std::vector<std::string>> writers_in(const std::string& trail_directory);

/// The numbers of a writer's segments, sorted.
Result<std::vector<std::uint64_t>> segments_in(const std::string& writer_directory);

/// One writer's log, record by record; resumable.
class WriterLog {
 public:
  WriterLog(const std::string& trail_directory, std::string writer, Position from = {});

  /// The next record; nothing when there is no more for now (call again later).
  /// Errors  retry_later: a file that exists cannot be read.
  Result<std::optional<LogRecord>> next(std::vector<Finding>& findings);

  [[nodiscard]] const Position& position() const { return position_; }
  [[nodiscard]] const std::string& writer() const { return writer_; }

 private:
  enum class Step { again, end };

  Result<Step> open_segment(std::vector<Finding>& findings);
  Result<Step> advance(std::vector<Finding>& findings);
  Result<Step> at_file_end(bool& seen_final, std::vector<Finding>& findings);
  Result<Step> read_header(std::vector<Finding>& findings);
  Result<bool> fill();
  Result<std::optional<std::uint64_t>> next_number() const;
  std::optional<LogRecord> take(std::string_view text, std::size_t line_bytes,
                                std::vector<Finding>& findings);
  void skip(std::size_t bytes, std::string_view why, std::vector<Finding>& findings);
  void check_sequence(std::uint64_t sequence, std::vector<Finding>& findings);
  void consume(std::size_t bytes);
  void close_segment();
  [[nodiscard]] std::string path() const;
  [[nodiscard]] std::string_view rest() const { return std::string_view{window_}.substr(window_used_); }

  std::string directory_;
  std::string writer_;
  Position position_;
  FileDescriptor file_;
  std::string window_;  // bytes of the file from position_.offset - window_used_ on
  std::size_t window_used_ = 0;
  std::uint64_t damage_ends_ = 0;  // a finding that the next damaged line continues
  bool loss_reported_ = false;     // this segment's, once
};

/// All writers' logs merged by time.
class TrailLog {
 public:
  explicit TrailLog(std::string trail_directory) : directory_(std::move(trail_directory)) {}

  /// The earliest record not yet handed out; nothing when there is none for now. Looks for new writers
  /// and new records once all known ones are handed out.
  Result<std::optional<LogRecord>> next();

  /// Skips everything that is there now: for following only what comes.
  Result<void> skip_to_end();

  std::vector<Finding> take_findings() { return std::exchange(findings_, {}); }

 private:
  struct Source {
    WriterLog log;
    std::optional<LogRecord> head;
  };

  Result<void> refresh();

  std::string directory_;
  std::vector<Source> sources_;
  std::vector<Finding> findings_;
};

}  // namespace sallyport::trail
