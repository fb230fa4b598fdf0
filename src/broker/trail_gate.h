// Between the sessions and the trail: nobody is let in before the record of it is written.
//
// What is added during one turn of the loop goes out with one write at the turn's end, and only then do the
// admitted sessions hear of it. Records that need not be waited for (ends, denials) ride along; when
// the trail cannot be written they are kept, up to a limit, and tried again, as are the starts of sessions that
// best_effort lets in.
#pragma once

#include "base/log.h"
#include "config/config.h"
#include "net/loop.h"
#include "trail/denial_quota.h"
#include "trail/trail.h"

#include <deque>
#include <functional>
#include <vector>

namespace sallyport::broker {

class TrailGate {
 public:
  static constexpr std::size_t kept_max = 10'000;

  /// `sink` may be null: no trail (audit.mode is then best_effort).
  TrailGate(trail::Sink* sink, config::AuditMode mode, net::Loop& loop, Logger& logger);
  ~TrailGate();

  /// `admitted` is called at the turn's end: without error once the record is written (or the mode is
  /// best_effort). Errors  retry_later, hop trail: the session has to be refused.
  void admit(trail::Event event, std::function<void(Result<void>)> admitted);

  /// Written at the turn's end, kept while the trail cannot be written.
  void note(trail::Event event);

  /// As note(), counted instead of written when there are too many (threats.md 17). `cause`: see
  /// trail::DenialQuota. True: it has a record of its own.
  bool deny(trail::Event event, std::string_view cause);

  /// Writes what is left; at the end of a run.
  void flush();

  [[nodiscard]] bool healthy() const { return healthy_; }
  [[nodiscard]] std::uint64_t dropped() const { return dropped_; }

 private:
  struct Admission {
    trail::Event event;
    std::function<void(Result<void>)> admitted;
  };

  /// False: there are too many already, and it is counted.
  bool keep(trail::Event event);
  void want_commit();
  void commit();
  void on_failure(const Error& error);
  void retry_later();
  void arm_quota();

  trail::Sink* sink_;
  config::AuditMode mode_;
  net::Loop& loop_;
  Logger& logger_;
  trail::DenialQuota quota_;
  std::vector<Admission> admissions_;
  std::deque<trail::Event> notes_;
  bool commit_wanted_ = false;
  bool healthy_ = true;
  std::uint64_t dropped_ = 0;
  net::TimerId retry_;
  net::TimerId quota_timer_;
};

}  // namespace sallyport::broker
