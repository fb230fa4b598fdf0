// A server connection between two sessions: first it is reset, then it waits, watched for its end.
//
// Reset is DISCARD ALL, answered without error and with an idle transaction; anything else and the
// connection is closed. On older servers DISCARD ALL also drops the role that start-up gave (reset_role.h), so RESET
// ROLE follows there, and where the pool runs as a role.
#pragma once

#include "broker/upstream.h"
#include "net/loop.h"
#include "net/stream.h"

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace sallyport::broker {

class Spare final : private net::StreamEvents {
 public:
  enum class Condition { resetting, ready, broken };

  struct Events {
    /// It may be taken: for the first time, after its answer to a probe, or between two messages again.
    std::function<void(Spare&)> on_ready;
    std::function<void(Spare&)> on_broken;  ///< drop me, not before the turn's end
    /// ask() was answered by these rows; nullopt: by an error. on_ready follows.
    std::function<void(Spare&, std::optional<std::vector<std::string>>)> on_answer = {};
  };

  /// `resetting` until begin_reset(), be_ready() or ask().
  Spare(UpstreamPtr upstream, net::Loop& loop, Events events);
  ~Spare();

  /// Once no cancel is under way that could hit it. `reset_role`: RESET ROLE follows.
  void begin_reset(bool reset_role);
  /// The last cancel for it has run out.
  void on_cancel_done();
  /// Nothing is owed: fresh from its login, or between two transactions. Calls on_ready.
  void be_ready();
  /// Fresh from its login, and ready when it has answered this query of one column.
  void ask(std::string_view sql);
  /// Asks the server for a sign of life (Sync). It is `resetting` until the answer, and breaks without one.
  void probe();

  [[nodiscard]] Condition condition() const { return condition_; }
  /// Broken before its reset was answered; one that breaks later was ready.
  [[nodiscard]] bool failed_reset() const { return failed_reset_; }
  /// Broken before it had answered what it was asked behind its login.
  [[nodiscard]] bool ended_behind_login() const { return ended_behind_login_; }
  /// Ready, and between two messages of the server's: a piece of one that was read would be lost.
  [[nodiscard]] bool at_rest() const { return condition_ == Condition::ready && input_.empty(); }
  [[nodiscard]] const Upstream& upstream() const { return *upstream_; }
  [[nodiscard]] Upstream& upstream() { return *upstream_; }
  [[nodiscard]] MonotonicTime ready_since() const { return ready_since_; }
  /// When its server was last heard.
  [[nodiscard]] MonotonicTime heard_at() const { return heard_at_; }

  /// Reads what has come and was not yet told by an event: a server that has ended it meanwhile. May call on_broken.
  void look() { read_frames(); }

  /// Ready only: hands the connection over; bytes may have come meanwhile, so the new owner reads first.
  UpstreamPtr take();

 private:
  void on_readable() override;
  void on_writable() override;
  void reset();
  void flush();
  void read_frames();
  Result<void> on_message(char type, Bytes body);
  Result<void> on_answer(char type, Bytes body);
  void break_now();

  static constexpr int reads_max = 512;  // without a pause
  static constexpr auto reset_deadline = std::chrono::seconds{10};
  static constexpr auto probe_deadline = std::chrono::seconds{5};

  UpstreamPtr upstream_;
  net::Loop& loop_;
  Events events_;
  Condition condition_ = Condition::resetting;
  bool ended_behind_login_ = false;
  bool failed_reset_ = false;
  bool probed_ = false;  // the answer that is owed is to a probe
  bool reset_waits_ = false, resets_role_ = false;
  bool asked_ = false;  // or to ask()
  std::optional<std::vector<std::string>> rows_;
  InputBuffer input_;
  WipedBytes unsent_;
  unsigned replies_owed_ = 0;  // ReadyForQuery still to come
  MonotonicTime ready_since_{}, heard_at_{};
  net::TimerId deadline_;
};

}  // namespace sallyport::broker
