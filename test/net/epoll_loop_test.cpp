// The loop: order of timers, the mailbox, and handlers that go while events are being handed out.
#include "net/epoll_loop.h"

#include "net/fd.h"

#include <gtest/gtest.h>

#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <thread>

namespace sallyport::epoll_loop_test {
namespace {

using net::EpollLoop;
using net::UniqueFd;
using namespace std::chrono_literals;

struct Pair {
  Pair() {
    int fds[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds) != 0)
      throw std::runtime_error("fd");
    ours = UniqueFd{fds[0]};
    theirs = UniqueFd{fds[1]};
  }
  void say(std::string_view text) {
    ASSERT_EQ(write(theirs.get(), text.data(), text.size()), ssize_t(text.size()));
  }
  UniqueFd ours, theirs;
};

struct Handler final : net::FdHandler {
  void on_ready(std::uint32_t events) override {
    ++calls;
    if (action) action(events);
  }
  int calls = 0;
  std::function<void(std::uint32_t)> action;
};

class Loop : public testing::Test {
 protected:
  void run_for(Duration duration) {
    loop.after(duration, [this] { loop.stop(); });
    loop.run();
  }
  SystemClock clock;
  EpollLoop loop{clock};
};

TEST_F(Loop, TimersRunInOrderOfTheirTimeThenOfTheirCreation) {
  std::string order;
  loop.after(20ms, [&] { order += 'c'; });
  loop.after(10ms, [&] { order += 'a'; });
  loop.after(10ms, [&] { order += 'b'; });
  run_for(40ms);
  EXPECT_EQ(order, "abc");
}

TEST_F(Loop, ATimerCancelledByOneThatIsDueWithItDoesNotRun) {
  int runs = 0;
  net::TimerId second;
  loop.after(5ms, [&] {
    std::this_thread::sleep_for(10ms);
    loop.cancel(second);
  });
  second = loop.after(6ms, [&] { ++runs; });
  run_for(30ms);
  EXPECT_EQ(runs, 0);
}

TEST_F(Loop, CancellingATimerThatHasRunOrNoneIsHarmless) {
  auto timer = loop.after(0ms, [] {});
  run_for(5ms);
  loop.cancel(timer);
  loop.cancel({});
}

TEST_F(Loop, ATimerMaySetAnotherForNowWithoutHoldingTheLoop) {
  int runs = 0;
  std::function<void()> again = [&] {
    if (++runs < 1'000'000) loop.after(0ms, again);
  };
  loop.after(0ms, again);
  run_for(20ms);
  EXPECT_GT(runs, 1);
  EXPECT_LT(runs, 1'000'000);
}

TEST_F(Loop, PostsFromOtherThreadsAllArriveInEachThreadsOrder) {
  constexpr int threads = 4, posts = 2000;
  std::vector<std::vector<int>> seen(threads);
  std::atomic<int> left = threads * posts;
  std::vector<std::thread> senders;
  for (int t = 0; t < threads; ++t) {
    senders.emplace_back([&, t] {
      for (int i = 0; i < posts; ++i) {
        loop.post([&, t, i] {
          seen[static_cast<std::size_t>(t)].push_back(i);
          if (--left == 0) loop.stop();
        });
      }
    });
  }
  loop.run();
  for (auto& sender : senders) sender.join();
  for (const auto& one : seen) {
    ASSERT_EQ(one.size(), std::size_t{posts});
    EXPECT_TRUE(std::is_sorted(one.begin(), one.end()));
  }
}

TEST_F(Loop, StopBeforeRunEndsItAtOnce) {
  loop.stop();
  loop.run();
}

TEST_F(Loop, WorkForTheTurnsEndRunsAfterItsEventsAndMayAddMore) {
  std::string order;
  loop.post([&] {
    loop.at_turn_end([&] {
      order += 'c';
      loop.at_turn_end([&] { order += 'd'; });
    });
    order += 'a';
  });
  loop.post([&] { order += 'b'; });
  loop.post([&] { loop.post([&] { order += 'e'; }); });
  run_for(100ms);
  EXPECT_EQ(order, "abcde");
}

TEST_F(Loop, ToldOnceOfBytesUntilMoreCome) {
  Pair pair;
  Handler handler;
  auto watch = loop.watch(pair.ours.get(), handler);
  pair.say("a");
  run_for(10ms);
  EXPECT_EQ(handler.calls, 1) << "edge-triggered";
  loop.unwatch(pair.ours.get(), watch);
}

TEST_F(Loop, BytesThatWereThereBeforeTheWatchAreTold) {
  Pair pair;
  pair.say("a");
  Handler handler;
  auto watch = loop.watch(pair.ours.get(), handler);
  run_for(10ms);
  EXPECT_EQ(handler.calls, 1);
  loop.unwatch(pair.ours.get(), watch);
}

// Both are ready in the same turn; whichever comes first ends the other.
TEST_F(Loop, AHandlerUnwatchedInTheSameTurnIsNotCalled) {
  Pair a, b;
  Handler first, second;
  auto watch_a = loop.watch(a.ours.get(), first);
  auto watch_b = loop.watch(b.ours.get(), second);
  first.action = [&](auto) { loop.unwatch(b.ours.get(), watch_b); };
  second.action = [&](auto) { loop.unwatch(a.ours.get(), watch_a); };
  a.say("x");
  b.say("x");
  run_for(10ms);
  EXPECT_EQ(first.calls + second.calls, 1);
  loop.unwatch(a.ours.get(), watch_a);
  loop.unwatch(b.ours.get(), watch_b);
}

// The slot of an ended watch is used again at once: the old event must not reach the new handler.
TEST_F(Loop, AnEventOfAnEndedWatchDoesNotReachItsSuccessor) {
  Pair a, b, c;
  Handler first, second, third;
  auto watch_a = loop.watch(a.ours.get(), first);
  auto watch_b = loop.watch(b.ours.get(), second);
  net::Watch watch_c;
  const auto replace = [&](UniqueFd& fd, net::Watch& watch) {
    return [&](auto) {
      if (watch_c.generation != 0) return;
      loop.unwatch(fd.get(), watch);
      watch_c = loop.watch(c.ours.get(), third);
    };
  };
  first.action = replace(b.ours, watch_b);
  second.action = replace(a.ours, watch_a);
  a.say("x");
  b.say("x");
  run_for(10ms);
  EXPECT_EQ(third.calls, 0);
  EXPECT_TRUE(loop.is_watched(watch_c));
  loop.unwatch(a.ours.get(), watch_a);
  loop.unwatch(b.ours.get(), watch_b);
  loop.unwatch(c.ours.get(), watch_c);
}

TEST_F(Loop, UnwatchingTwiceIsHarmless) {
  Pair pair;
  Handler handler;
  auto watch = loop.watch(pair.ours.get(), handler);
  const auto copy = watch;
  loop.unwatch(pair.ours.get(), watch);
  EXPECT_FALSE(loop.is_watched(copy));
  loop.unwatch(pair.ours.get(), watch);
}

}  // namespace
}  // namespace sallyport::epoll_loop_test
