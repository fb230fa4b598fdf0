// Asks the relay loop for a Status on behalf of many: one question at a time, an answer is good for a moment, and who
// waits too long is told so. All calls are the admin thread's.
#pragma once

#include "admin/control.h"
#include "admin/server.h"

#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>

#include <functional>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

namespace sallyport::admin {

class StatusDesk : public std::enable_shared_from_this<StatusDesk> {
 public:
  /// Null: the relay loop did not answer within status_deadline.
  using Done = std::function<void(const broker::Status*)>;

  StatusDesk(const std::shared_ptr<boost::asio::io_context>& io, Control& control)
      : io_(io), control_(control), timer_(*io) {}

  void ask(Done done) {
    if (last_ && Clock::now() - last_at_ < good_for) return done(&*last_);
    waiting_.push_back({Clock::now() + status_deadline, std::move(done)});
    if (waiting_.size() == 1) arm();
    if (std::exchange(asked_, true)) return;
    // It may answer when we are gone: the io_context stays for as long, and runs no more.
    control_.status([weak = weak_from_this(), io = io_.lock()](broker::Status status) {
      boost::asio::post(*io, [weak, status = std::move(status)]() mutable {
        if (const auto desk = weak.lock()) desk->on_status(std::move(status));
      });
    });
  }

  /// Something was done: what was seen before is of no use to who asks now.
  void forget() { last_.reset(); }

 private:
  using Clock = std::chrono::steady_clock;
  static constexpr auto good_for = std::chrono::milliseconds{100};
  struct Waiting {
    Clock::time_point until;
    Done done;
  };

  void on_status(broker::Status status) {
    asked_ = false;
    last_ = std::move(status);
    last_at_ = Clock::now();
    timer_.cancel();
    for (auto& one : std::exchange(waiting_, {})) one.done(&*last_);
  }

  void arm() {
    timer_.expires_at(waiting_.front().until);
    timer_.async_wait([weak = weak_from_this()](boost::system::error_code error) {
      const auto desk = weak.lock();
      if (!error && desk) desk->on_overdue();
    });
  }

  void on_overdue() {
    std::vector<Done> late;
    while (!waiting_.empty() && waiting_.front().until <= Clock::now()) {
      late.push_back(std::move(waiting_.front().done));
      waiting_.erase(waiting_.begin());
    }
    if (!waiting_.empty()) arm();
    for (auto& done : late) done(nullptr);
  }

  std::weak_ptr<boost::asio::io_context> io_;
  Control& control_;
  boost::asio::steady_timer timer_;
  std::vector<Waiting> waiting_;  // in order of their deadlines
  bool asked_ = false;            // and not answered yet
  std::optional<broker::Status> last_;
  Clock::time_point last_at_{};
};

}  // namespace sallyport::admin
