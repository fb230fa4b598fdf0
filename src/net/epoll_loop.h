// The real loop: epoll, an ordered set of timers, an eventfd mailbox. No coroutines: they cost the relay
// a fifth of its processor time and hide bytes at a hand-over (docs/performance.md).
#pragma once

#include "net/loop.h"

#include <atomic>
#include <map>
#include <mutex>
#include <vector>

struct epoll_event;

namespace sallyport::net {

/// Told when its file descriptor is ready. `events` are epoll's bits.
class FdHandler {
 public:
  virtual void on_ready(std::uint32_t events) = 0;

 protected:
  ~FdHandler() = default;
};

/// Names one registration; stays harmless after the descriptor's number is used again.
struct Watch {
  std::uint32_t slot = 0;
  std::uint32_t generation = 0;  ///< 0: not watched
};

class EpollLoop final : public Loop {
 public:
  explicit EpollLoop(const Clock& clock);
  ~EpollLoop() override;
  EpollLoop(const EpollLoop&) = delete;
  EpollLoop& operator=(const EpollLoop&) = delete;

  [[nodiscard]] Moment now() const override { return now_; }
  TimerId after(Duration delay, std::function<void()> action) override;
  void cancel(TimerId timer) override;
  void post(std::function<void()> action) override;
  void at_turn_end(std::function<void()> action) override;

  /// Registers `fd` once for reading, edge-triggered. The handler must outlive the watch. When the kernel
  /// refuses (fs.epoll.max_user_watches, memory): a watch of generation 0, errno says why.
  Watch watch(int fd, FdHandler& handler);
  /// Asks for (or no longer for) an event when `fd` takes bytes again. Only after a write that would
  /// block: a standing wish would wake us each time the peer reads.
  void want_write(int fd, Watch watch, bool wanted);
  /// As watch(), level-triggered and for reading only (listeners).
  Watch watch_level(int fd, FdHandler& handler);
  void unwatch(int fd, Watch& watch);
  [[nodiscard]] bool is_watched(Watch watch) const {
    return slots_[watch.slot].generation == watch.generation && slots_[watch.slot].handler != nullptr;
  }

  /// Runs turns on the calling thread until stop(). May be called again after that.
  void run();
  /// Thread-safe; run() returns after the turn in progress.
  void stop();

  /// While only one conversation is going on (see quiet_turns_min), polls without sleeping for up to `longest`
  /// before it blocks: a wake-up costs more than the answer takes. It yields its core in between. Zero (the
  /// default): always blocks.
  void allow_spin(Duration longest) { spin_ = longest; }

  /// So many turns in a row of one event each, from no more than two descriptors: one client and its server.
  static constexpr unsigned quiet_turns_min = 8;

 private:
  struct Slot {
    FdHandler* handler = nullptr;
    std::uint32_t generation = 1;
  };

  Watch add(int fd, FdHandler& handler, std::uint32_t events);
  int wait_ms() const;
  int wait(epoll_event* events, int capacity);
  int spin(epoll_event* events, int capacity);
  void note_turn(const epoll_event* events, int count);
  void dispatch(const epoll_event& event);
  void run_due_timers();
  void run_posted();
  void run_turn_end();

  const Clock& clock_;
  int epoll_ = -1;
  int mailbox_ = -1;
  Moment now_;
  Duration spin_{};
  unsigned quiet_turns_ = 0;
  std::uint64_t quiet_pair_[2] = {};  // the descriptors of the quiet turns, as epoll knows them
  std::vector<Slot> slots_;
  std::vector<std::uint32_t> free_slots_;
  std::map<TimerId, std::function<void()>> timers_;
  std::uint64_t next_timer_ = 1;
  std::vector<std::function<void()>> turn_end_;
  std::atomic<bool> stopping_{false};
  std::mutex mutex_;
  std::vector<std::function<void()>> posted_;  // guarded by mutex_
};

}  // namespace sallyport::net
