#include "net/epoll_loop.h"

#include "base/registers.h"

#include <sched.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <cerrno>
#include <stdexcept>

namespace sallyport::net {

namespace {

constexpr int events_per_turn_max = 256;
constexpr std::uint64_t mailbox_mark = ~std::uint64_t{0};

std::uint64_t pack(Watch watch) { return std::uint64_t{watch.generation} << 32 | watch.slot; }

}  // namespace

EpollLoop::EpollLoop(const Clock& clock) : clock_(clock), now_(clock.now()) {
  epoll_ = epoll_create1(EPOLL_CLOEXEC);
  mailbox_ = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  epoll_event event{};
  event.events = EPOLLIN;
  event.data.u64 = mailbox_mark;
  if (epoll_ < 0 || mailbox_ < 0 || epoll_ctl(epoll_, EPOLL_CTL_ADD, mailbox_, &event) != 0) {
    throw std::runtime_error("cannot create an event loop: out of file descriptors");
  }
}

EpollLoop::~EpollLoop() {
  close(mailbox_);
  close(epoll_);
}

TimerId EpollLoop::after(Duration delay, std::function<void()> action) {
  const auto due = clock_.now().mono + std::chrono::duration_cast<MonotonicTime::duration>(delay);
  const TimerId timer{due, next_timer_++};
  timers_.emplace(timer, std::move(action));
  return timer;
}

void EpollLoop::cancel(TimerId timer) { timers_.erase(timer); }

void EpollLoop::post(std::function<void()> action) {
  bool wake = false;
  {
    const std::lock_guard lock{mutex_};
    wake = posted_.empty();
    posted_.push_back(std::move(action));
  }
  const std::uint64_t one = 1;
  // A full counter also wakes the loop, so the only possible failure is harmless.
  if (wake) (void)!write(mailbox_, &one, sizeof one);
}

void EpollLoop::at_turn_end(std::function<void()> action) { turn_end_.push_back(std::move(action)); }

Watch EpollLoop::watch(int fd, FdHandler& handler) {
  return add(fd, handler, EPOLLIN | EPOLLRDHUP | EPOLLET);
}

void EpollLoop::want_write(int fd, Watch watch, bool wanted) {
  epoll_event event{};
  event.events = EPOLLIN | EPOLLRDHUP | EPOLLET | (wanted ? EPOLLOUT : 0U);
  event.data.u64 = pack(watch);
  epoll_ctl(epoll_, EPOLL_CTL_MOD, fd, &event);
}

Watch EpollLoop::watch_level(int fd, FdHandler& handler) { return add(fd, handler, EPOLLIN); }

Watch EpollLoop::add(int fd, FdHandler& handler, std::uint32_t events) {
  if (free_slots_.empty()) {
    free_slots_.push_back(static_cast<std::uint32_t>(slots_.size()));
    slots_.emplace_back();
  }
  const auto slot = free_slots_.back();
  const Watch watch{slot, slots_[slot].generation};
  epoll_event event{};
  event.events = events;
  event.data.u64 = pack(watch);
  if (epoll_ctl(epoll_, EPOLL_CTL_ADD, fd, &event) != 0) return {};
  free_slots_.pop_back();
  slots_[slot].handler = &handler;
  return watch;
}

void EpollLoop::unwatch(int fd, Watch& watch) {
  if (watch.generation == 0) return;
  epoll_ctl(epoll_, EPOLL_CTL_DEL, fd, nullptr);
  auto& slot = slots_[watch.slot];
  slot.handler = nullptr;
  if (++slot.generation == 0) slot.generation = 1;
  free_slots_.push_back(watch.slot);
  watch = {};
}

void EpollLoop::run() {
  epoll_event events[events_per_turn_max];
  while (!stopping_.load(std::memory_order_relaxed)) {
    const auto count = wait(events, events_per_turn_max);
    now_ = clock_.now();
    for (int i = 0; i < count; ++i) dispatch(events[i]);
    run_due_timers();
    run_posted();
    run_turn_end();
  }
  stopping_.store(false);
}

int EpollLoop::wait(epoll_event* events, int capacity) {
  int count = 0;
  if (spin_ > Duration::zero() && quiet_turns_ >= quiet_turns_min) count = spin(events, capacity);
  if (count == 0) {
    clear_vector_registers();  // of a login that has just gone through them
    count = epoll_wait(epoll_, events, capacity, wait_ms());
  }
  if (spin_ > Duration::zero()) note_turn(events, count);
  return count;
}

int EpollLoop::spin(epoll_event* events, int capacity) {
  const auto until = clock_.now().mono + spin_;
  do {
    const auto count = epoll_wait(epoll_, events, capacity, 0);
    if (count != 0) return count;
    sched_yield();
  } while (clock_.now().mono < until);
  return 0;
}

void EpollLoop::note_turn(const epoll_event* events, int count) {
  if (count != 1) {
    quiet_turns_ = 0;
    return;
  }
  const auto who = events[0].data.u64;
  if (who == quiet_pair_[0] || who == quiet_pair_[1]) {
    ++quiet_turns_;
    return;
  }
  // A third one: the pair is the latest two.
  quiet_pair_[1] = quiet_pair_[0];
  quiet_pair_[0] = who;
  quiet_turns_ = 0;
}

int EpollLoop::wait_ms() const {
  if (timers_.empty()) return -1;
  const auto left = timers_.begin()->first.due - clock_.now().mono;
  if (left <= Duration::zero()) return 0;
  // Rounded up: waking early would spin through the last millisecond.
  const auto ms = std::chrono::ceil<std::chrono::milliseconds>(left).count();
  return static_cast<int>(std::min<std::int64_t>(ms, 60'000));
}

void EpollLoop::dispatch(const epoll_event& event) {
  if (event.data.u64 == mailbox_mark) {
    std::uint64_t drained = 0;
    (void)!read(mailbox_, &drained, sizeof drained);
    return;
  }
  const auto slot = static_cast<std::uint32_t>(event.data.u64);
  const auto generation = static_cast<std::uint32_t>(event.data.u64 >> 32);
  // An earlier event of this turn may have ended this registration.
  if (slots_[slot].generation != generation || slots_[slot].handler == nullptr) return;
  slots_[slot].handler->on_ready(event.events);
}

void EpollLoop::run_due_timers() {
  while (!timers_.empty() && timers_.begin()->first.due <= now_.mono) {
    auto timer = timers_.extract(timers_.begin());
    timer.mapped()();
  }
}

void EpollLoop::run_posted() {
  std::vector<std::function<void()>> actions;
  {
    const std::lock_guard lock{mutex_};
    actions.swap(posted_);
  }
  for (auto& action : actions) action();
}

void EpollLoop::run_turn_end() {
  // An action may add another one, for the same turn's end.
  for (std::size_t i = 0; i < turn_end_.size(); ++i) {
    auto action = std::move(turn_end_[i]);
    action();
  }
  turn_end_.clear();
}

void EpollLoop::stop() {
  stopping_.store(true);
  post([] {});
}

}  // namespace sallyport::net
