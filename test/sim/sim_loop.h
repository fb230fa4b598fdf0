// The loop (net/loop.h) without a kernel: virtual clocks, timers, the mailbox, ends of turns, and stream
// events in an order that the dice choose. A turn is as in net/epoll_loop.cpp: events, timers, mailbox, end.
#pragma once

#include "credentials/ports.h"
#include "net/loop.h"
#include "test/sim/dice.h"

#include <gtest/gtest.h>

#include <functional>
#include <map>
#include <utility>
#include <vector>

namespace sallyport::sim {

class SimLoop final : public net::Loop {
 public:
  /// What runs without time passing must end some time: more turns or timers than this are a busy loop.
  static constexpr unsigned turns_at_one_moment_max = 200'000;

  explicit SimLoop(Dice dice) : dice_(dice) {}
  SimLoop(const SimLoop&) = delete;
  SimLoop& operator=(const SimLoop&) = delete;
  /// What still stands here may hold who cancels a timer when it goes (a run that ends early).
  ~SimLoop() override {
    while (!timers_.empty()) {
      auto node = timers_.extract(timers_.begin());
      node.mapped() = nullptr;
    }
  }

  [[nodiscard]] Moment now() const override { return now_; }

  net::TimerId after(Duration delay, std::function<void()> action) override {
    const net::TimerId id{now_.mono + std::max(delay, Duration::zero()), ++last_timer_};
    timers_.emplace(id, std::move(action));
    return id;
  }
  void cancel(net::TimerId timer) override { timers_.erase(timer); }
  void post(std::function<void()> action) override { posted_.push_back(std::move(action)); }
  void at_turn_end(std::function<void()> action) override { turn_end_.push_back(std::move(action)); }

  /// A stream's event is due: it comes in this turn or a later one.
  void enqueue_event(std::function<void()> deliver) { events_.push_back(std::move(deliver)); }

  /// One turn. False: nothing happens before `until`; the clock stands there now.
  bool turn(MonotonicTime until) {
    if (events_.empty() && posted_.empty() && turn_end_.empty()) {
      if (timers_.empty() || timers_.begin()->first.due > until) {
        advance_to(std::max(until, now_.mono));
        return false;
      }
      advance_to(timers_.begin()->first.due);
    } else {
      advance_to(now_.mono + dice_.us(1, 30));
    }
    deliver_events();
    run_timers();
    run_posted();
    run_turn_end();
    ++turns_;
    return true;
  }

  /// The loop has stopped: what was put off to this turn's end only lets go of what it holds.
  void drop_turn_end() { const auto dropped = std::exchange(turn_end_, {}); }

  /// Somebody sets the clock, or the machine sleeps: only wall time passes.
  void jump_wall(Duration duration) { now_.wall += duration; }

  [[nodiscard]] std::uint64_t turns() const { return turns_; }
  [[nodiscard]] std::size_t timers() const { return timers_.size(); }

 private:
  void advance_to(MonotonicTime mono) {
    if (mono <= now_.mono) return;
    now_.wall += std::chrono::duration_cast<WallTime::duration>(mono - now_.mono);
    now_.mono = mono;
  }

  void deliver_events() {
    // epoll reports some of what is ready, in no order that one may rely on.
    for (auto count = events_.empty() ? 0 : dice_.between(1, events_.size()); count > 0; --count) {
      std::swap(events_[dice_.below(events_.size())], events_.back());
      const auto deliver = std::move(events_.back());
      events_.pop_back();
      deliver();
    }
  }

  void run_timers() {
    unsigned fired = 0;
    while (!timers_.empty() && timers_.begin()->first.due <= now_.mono) {
      auto timer = timers_.extract(timers_.begin());
      timer.mapped()();
      if (++fired > turns_at_one_moment_max) {
        ADD_FAILURE() << "timers that are due at once, without end";
        return;
      }
    }
  }

  void run_posted() {
    auto actions = std::exchange(posted_, {});
    for (auto& action : actions) action();
  }

  void run_turn_end() {
    for (std::size_t i = 0; i < turn_end_.size(); ++i) {
      auto action = std::move(turn_end_[i]);
      action();
    }
    turn_end_.clear();
  }

  Dice dice_;
  Moment now_{WallTime{} + 1'700'000'000s, MonotonicTime{} + 1000s};
  std::map<net::TimerId, std::function<void()>> timers_;
  std::vector<std::function<void()>> events_, posted_, turn_end_;
  std::uint64_t last_timer_ = 0;
  std::uint64_t turns_ = 0;
};

class SimTimers final : public credentials::Timers {
 public:
  explicit SimTimers(SimLoop& loop) : loop_(loop) {}

  credentials::TimerId after(Duration delay, std::function<void()> task) override {
    const auto id = ++last_;
    pending_[id] = loop_.after(delay, [this, id, task = std::move(task)] {
      pending_.erase(id);
      task();
    });
    return id;
  }
  void cancel(credentials::TimerId timer) override {
    const auto found = pending_.find(timer);
    if (found == pending_.end()) return;
    loop_.cancel(found->second);
    pending_.erase(found);
  }
  [[nodiscard]] Moment now() const override { return loop_.now(); }

 private:
  SimLoop& loop_;
  credentials::TimerId last_ = 0;
  std::map<credentials::TimerId, net::TimerId> pending_;
};

}  // namespace sallyport::sim
