// How a session leaves: its credential, for a later one if its state allows, or the broker.
//
// Both happen at a boundary, and either may come while the other is under way, so one state says what is due. From
// the warning of a credential's end to shortly before it the session is to be moved; then it is told at its next
// boundary. A drain waits for a move that is under way.
//
// When that end is near and a new connection has not come yet, the client is not heard any more at its next boundary: it
// waits for a moment instead of being ended, and the processors log the new connections in. Who has moved by then waits for those
// that have not.
#pragma once

#include "base/log.h"
#include "broker/mover.h"

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace sallyport::broker {

/// Why we end a session that has done nothing wrong: what its client hears, and the trail.
enum class Dismissal { shutting_down, policy_changed, target_drained, too_old };

/// What the client hears.
const char* message_of(Dismissal why);

class DepartureOwner {
 public:
  virtual void on_session_moved() = 0;
  /// Its credential ends and it could not be moved; `reason` is a word for a counter. end_session() follows.
  virtual void on_session_forced(std::string_view reason) = 0;
  /// Ends it with 57P01; `why` is for the trail.
  virtual void end_session(std::string_view why, const char* message, const char* hint) = 0;
  /// Its server connection ended, or fell silent, while it was asked about the session's state.
  virtual void on_server_lost() = 0;

 protected:
  ~DepartureOwner() = default;
};

class Departure final : private MoverOwner {
 public:
  /// `relay`, `loop`, `logger` and `owner` outlive it, and so does `pool`, or the next one.
  Departure(Relay& relay, Pool& pool, std::string run_as, net::Loop& loop, Logger& logger,
            DepartureOwner& owner);
  ~Departure();
  Departure(const Departure&) = delete;
  Departure& operator=(const Departure&) = delete;

  /// The credential of `generation` ends: move, or be told so at a boundary before that. Who waits for nothing but a
  /// new connection waits through the doubt, too.
  void on_generation_ending(std::uint64_t generation, CredentialEnd end);
  /// Where there was no successor, sessions begin on a credential that is ending already.
  void heed_ending();

  /// What keeps it from being moved, as a word for a counter (move_reasons.h).
  [[nodiscard]] std::string_view why_forced() const;

  /// Transaction pooling, without a connection: the next ones come from this pool.
  void follow(Pool& pool, std::string run_as);

  /// End at the next boundary. The first reason given stays. Who streams has none and ends now; where none can be seen
  /// any more, or who is too old and for `grace` does nothing in its open transaction, after that time.
  void drain(Dismissal why, Duration grace);
  /// End now.
  void stop(Dismissal why);
  /// stop() after this time, counted from when it was first said for this reason: what is said again with each reload
  /// puts nothing off.
  void stop_after(Duration grace, Dismissal why);

  /// It was told to, and goes at its next boundary.
  [[nodiscard]] bool is_draining() const { return state_ == State::draining; }

  /// The session is at rest.
  void on_boundary();
  /// Transaction pooling: its connection has gone back to the pool, and with it all that had to move or end.
  void on_upstream_returned();
  /// A cancel for its server connection has run out; a move may have waited for that.
  void on_cancel_done();
  /// The session has ended: nothing more is done or said. Also from within what we call.
  void give_up();

 private:
  enum class State {
    staying,
    moving,     ///< a credential ends: there is a mover, or a retry is due
    immovable,  ///< a credential ends, and the session's state is bound to its connection
    forced,     ///< that end is near: it is told at the next boundary, unless a move comes first
    draining,   ///< dismissed: it is told at the next boundary
  };

  [[nodiscard]] bool parks() const;
  void park();
  void unpark();
  void yield_to_movers();
  void on_moved() override;
  void on_immovable(std::string_view reason) override;
  void on_move_failed(const Error& error) override;
  void on_move_broke() override;

  [[nodiscard]] bool has_to_end() const { return state_ == State::forced || state_ == State::draining; }
  [[nodiscard]] bool is_moving_now() const { return mover_ != nullptr && mover_->is_under_way(); }
  void become(State state);
  void look_for_boundary();
  void leave_when_read();
  void leave_after(Duration delay);
  void leave();
  void cancel_timers();
  void try_move();
  void dismiss(std::string_view how);
  void watch(Duration grace);
  [[nodiscard]] bool streams() const;
  void bury_mover();

  Relay& relay_;
  Pool* pool_;
  std::string run_as_;
  net::Loop& loop_;
  Logger& logger_;
  DepartureOwner& owner_;
  State state_ = State::staying;
  std::uint64_t ending_generation_ = 0;  // 0: none ends
  MonotonicTime ending_at_{}, ending_latest_{};
  std::string immovable_reason_;  // empty: not known to be
  Dismissal dismissal_{};         // draining
  std::unique_ptr<Mover> mover_;
  bool parking_ = false;  // the end is near: at a boundary the client waits for the new connection
  bool parked_ = false;   // it does
  bool leaving_ = false;  // it is told in a moment; its client is not heard any more
  net::TimerId park_timer_;
  net::TimerId force_timer_;
  net::TimerId last_timer_;
  net::TimerId move_timer_;
  net::TimerId stop_timer_;
  std::optional<MonotonicTime> stop_since_;  // none: stop_timer_ is not armed
  Dismissal stop_why_{};                     // whose
  net::TimerId watch_timer_;
  MonotonicTime leave_latest_{};
  net::TimerId leave_timer_;
  net::TimerId yield_timer_;
};

}  // namespace sallyport::broker
