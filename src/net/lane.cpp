#include "net/lane.h"

#include <pthread.h>

#include <algorithm>
#include <condition_variable>
#include <csignal>
#include <deque>
#include <list>
#include <mutex>
#include <system_error>
#include <thread>

namespace sallyport::net {

namespace {

struct Waiting {
  std::function<void()> call;
  Duration overdue_after;
};

struct Running {
  MonotonicTime overdue_at;
  bool counted_overdue = false;
};

}  // namespace

/// What the threads share with the lane, and keep when it goes before them.
struct Lane::Shared {
  std::string name;
  unsigned threads_max = 0;
  std::size_t queue_max = 0;

  mutable std::mutex mutex;
  std::condition_variable work_or_stop;
  std::condition_variable thread_ended;
  std::deque<Waiting> queue;
  std::list<Running> running;
  std::size_t threads = 0;
  bool stopping = false;
  mutable LaneCounters counters;

  void count_overdue() {
    const auto now = std::chrono::steady_clock::now();
    for (auto& call : running) {
      if (call.counted_overdue || call.overdue_at > now) continue;
      call.counted_overdue = true;
      ++counters.overdue;
    }
  }

  [[nodiscard]] std::size_t stuck() const {
    return static_cast<std::size_t>(std::ranges::count_if(running, &Running::counted_overdue));
  }

  /// How many threads may be there now: the usual ones, and a spare for each that is stuck.
  [[nodiscard]] std::size_t threads_wanted() const {
    return threads_max + std::min<std::size_t>(stuck(), threads_max);
  }

  void run_one(std::unique_lock<std::mutex>& lock) {
    auto next = std::move(queue.front());
    queue.pop_front();
    running.push_front({std::chrono::steady_clock::now() + next.overdue_after});
    const auto mine = running.begin();
    lock.unlock();
    try {
      next.call();
    } catch (...) {  // NOLINT(bugprone-empty-catch): one call's defect must not end the lane
    }
    next.call = nullptr;  // what it captured goes before it counts as finished
    lock.lock();
    count_overdue();
    running.erase(mine);
    ++counters.finished;
  }

  void work() {
    std::unique_lock lock{mutex};
    while (!stopping) {
      if (threads > threads_wanted()) break;  // a spare whose reason is gone
      if (!queue.empty()) {
        run_one(lock);
        continue;
      }
      work_or_stop.wait(lock);
    }
    --threads;
    thread_ended.notify_all();
  }
};

namespace {

template <class Body>
bool start_thread(const std::string& name, Body body) {
  // Signals belong to the thread that main chose for them.
  sigset_t all;
  sigset_t before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  bool started = true;
  try {
    std::thread thread{std::move(body)};
    pthread_setname_np(thread.native_handle(), name.substr(0, 15).c_str());
    thread.detach();
  } catch (const std::system_error&) {
    started = false;
  }
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  return started;
}

}  // namespace

Lane::Lane(std::string name, unsigned threads, std::size_t queue_max) : shared_(std::make_shared<Shared>()) {
  shared_->name = std::move(name);
  shared_->threads_max = std::max(threads, 1U);
  shared_->queue_max = queue_max;
}

Lane::~Lane() {
  std::deque<Waiting> dropped;  // destroyed after the lock is released: what calls captured may be anything
  {
    std::unique_lock lock{shared_->mutex};
    shared_->stopping = true;
    dropped.swap(shared_->queue);
    shared_->work_or_stop.notify_all();
    shared_->thread_ended.wait_for(lock, stop_wait_max, [this] { return shared_->threads == 0; });
  }
}

bool Lane::submit(std::function<void()> call, Duration overdue_after) {
  auto& shared = *shared_;
  const std::lock_guard lock{shared.mutex};
  shared.count_overdue();
  const auto idle = shared.threads - std::min(shared.threads, shared.running.size());
  const bool may_start = shared.threads < shared.threads_wanted();
  if (shared.stopping || (shared.queue.size() >= shared.queue_max + idle + (may_start ? 1 : 0))) {
    ++shared.counters.refused;
    return false;
  }
  shared.queue.push_back({std::move(call), overdue_after});
  ++shared.counters.accepted;
  if (idle >= shared.queue.size()) {
    shared.work_or_stop.notify_one();
    return true;
  }
  if (may_start) {
    ++shared.threads;
    if (!start_thread(shared.name, [shared = shared_] { shared->work(); })) {
      --shared.threads;
      if (shared.threads == 0) {  // nobody would ever run it
        shared.queue.pop_back();
        --shared.counters.accepted;
        ++shared.counters.refused;
        return false;
      }
    }
  }
  shared.work_or_stop.notify_one();
  return true;
}

LaneCounters Lane::counters() const {
  const std::lock_guard lock{shared_->mutex};
  shared_->count_overdue();
  auto counters = shared_->counters;
  counters.queued = shared_->queue.size();
  counters.running = shared_->running.size();
  counters.threads = shared_->threads;
  return counters;
}

}  // namespace sallyport::net
