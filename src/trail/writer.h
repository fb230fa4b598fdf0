// The Sink that writes segment files; trail.h has the contract, docs/audit.md the format.
//
// Single-threaded: it belongs to the loop that owns the sessions. commit() is one write(2) of all lines
// added, at the end of the segment, between two fstat(2): the one before notices that somebody else
// touched the file, the one after remembers how we left it.
#pragma once

#include "trail/trail.h"
#include "trail/writer_home.h"

#include <string>
#include <vector>

namespace sallyport::trail {

class Writer final : public Sink {
 public:
  static Result<std::unique_ptr<Writer>> open(const Settings& settings);

  void add(const Event& event) override;
  Result<void> commit() override;
  std::vector<Finding> take_findings() override;

  [[nodiscard]] const std::string& directory() const { return home_.path; }
  [[nodiscard]] std::uint64_t next_sequence() const { return next_sequence_; }
  /// Denials that were not recorded because space was short, since open.
  [[nodiscard]] std::uint64_t denials_dropped() const { return denials_dropped_; }

 private:
  struct Segment {
    FileDescriptor file;
    std::uint64_t number = 0;
    std::string path;
    std::uint64_t length = 0;
    struct stat left {};  // as our last write left it
    bool touch_reported = false;
  };

  Writer(Settings settings, WriterHome home) : settings_(std::move(settings)), home_(std::move(home)) {}

  Result<void> start();
  Result<void> reopen(std::uint64_t number, std::uint64_t length);
  Result<void> open_next_segment(std::uint64_t first_sequence);
  Result<void> append_pending();
  Result<void> ensure_home();
  [[nodiscard]] bool home_is_there() const;
  Result<void> write_all(std::string_view bytes);
  Result<void> check_untouched();
  Result<void> check_names();
  Result<void> lost(FindingKind kind, std::string what);
  void check_older_segments();
  void seal_segment();
  void drop_pending();
  bool is_space_short();
  void append(const Event& event);
  void report_dropped_denials(WallTime at);

  Settings settings_;
  WriterHome home_;
  Segment segment_;
  std::vector<Segment> sealed_;    // earlier segments of this directory, without open file
  std::uint64_t last_number_ = 0;  // the highest segment number ever used here
  bool home_lost_ = false;

  std::string pending_;
  std::vector<std::string> pending_copies_;  // entries for settings_.copy
  bool pending_overflowed_ = false;
  std::uint64_t committed_sequence_ = 0;
  std::uint64_t next_sequence_ = 1;

  std::uint64_t denials_dropped_ = 0;
  std::uint64_t denials_dropped_reported_ = 0;
  std::vector<Finding> findings_;
  MonotonicTime names_checked_{};
};

}  // namespace sallyport::trail
