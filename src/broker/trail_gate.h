// Between the sessions and the trail: nobody is let in before the record of it is written.
//
// What is added during one turn of the loop goes out with one write at the turn's end, and only then do the
// admitted sessions hear of it. Records that need not be waited for (ends, denials) ride along; when
// the trail cannot be written they are kept, up to a limit, and tried again, as are the starts of sessions that
// best_effort lets in.
//
// What is kept never stands in the way of who waits: admissions are then written by themselves, one kept record a
// second tries whether the trail is well, and behind the first success the others follow, a chunk a turn.
#pragma once

#include "base/log.h"
#include "broker/kept_notes.h"
#include "broker/trail_status.h"
#include "config/config.h"
#include "net/loop.h"
#include "trail/denial_quota.h"
#include "trail/trail.h"

#include <functional>
#include <vector>

namespace sallyport::broker {

class TrailGate {
 public:
  /// `sink` may be null: no trail (audit.mode is then best_effort).
  TrailGate(trail::Sink* sink, config::AuditMode mode, net::Loop& loop, Logger& logger);
  ~TrailGate();

  /// `admitted` is called at the turn's end: without error once the record is written (or the mode is
  /// best_effort). Errors  retry_later, hop trail: the session has to be refused.
  void admit(trail::Event event, std::function<void(Result<void>)> admitted);

  /// Written at the turn's end, kept while the trail cannot be written. What is dropped because too much is kept
  /// (broker/kept_notes.h) is told on the log and in the trail once the trail is well.
  void note(trail::Event event);

  /// As note(), counted instead of written when there are too many (threat 17). `cause` is what metrics count, and with
  /// `detail` what is told apart: see trail::DenialQuota. True: it has a record of its own, if that is not dropped.
  bool deny(trail::Event event, std::string_view cause, std::string_view detail = {});

  /// Writes what is left; at the end of a run.
  void flush();

  /// The last write succeeded.
  [[nodiscard]] bool healthy() const { return state_ != State::failing; }
  /// Dropped, and not told yet.
  [[nodiscard]] KeptNotes::Lost lost() const { return notes_.lost(); }
  [[nodiscard]] TrailStatus status() const;

 private:
  struct Admission {
    trail::Event event;
    std::function<void(Result<void>)> admitted;
  };
  enum class State {
    well,
    failing,      ///< the last write failed
    catching_up,  ///< the last write succeeded, and there is more to write than one chunk
  };

  void want_commit();
  void commit();
  Result<void> write(const std::vector<Admission>& admissions, std::size_t& written);
  Result<void> write_notes();
  std::size_t add_notes(std::size_t bytes_max, std::size_t& bytes);
  Result<void> commit_added(std::size_t& notes);
  void on_success();
  void on_failure(const Error& error);
  void tell_lost();
  void note_lost(std::uint64_t count, std::string_view what);
  void commit_after(Duration delay);
  void arm_quota();

  trail::Sink* sink_;
  config::AuditMode mode_;
  net::Loop& loop_;
  Logger& logger_;
  trail::DenialQuota quota_;
  std::vector<Admission> admissions_;
  KeptNotes notes_;
  TrailStatus totals_;       // what only grows
  std::uint64_t added_ = 0;  // to the sink, for the next commit
  bool commit_wanted_ = false;
  State state_ = State::well;
  bool failure_told_ = false;
  net::TimerId retry_;
  net::TimerId quota_timer_;
};

}  // namespace sallyport::broker
