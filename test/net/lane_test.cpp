#include "net/lane.h"

#include <gtest/gtest.h>

#include <signal.h>

#include <atomic>
#include <future>
#include <latch>
#include <thread>

namespace sallyport::net::lane_test {
namespace {

using namespace std::chrono_literals;

/// A gate that calls wait at until the test opens it; shared, because a call may outlive the test.
struct Gate {
  std::promise<void> opened;
  std::shared_future<void> open = opened.get_future().share();
};

template <class Condition>
bool soon(Condition condition) {
  for (int i = 0; i < 500; ++i) {
    if (condition()) return true;
    std::this_thread::sleep_for(10ms);
  }
  return false;
}

TEST(Lane, RunsCallsInOrderOnOneThread) {
  std::vector<int> order;
  std::promise<void> done;
  Lane lane{"test", 1, 10};
  for (int i = 0; i < 5; ++i) {
    ASSERT_TRUE(lane.submit([&order, &done, i] {
      order.push_back(i);
      if (i == 4) done.set_value();
    }));
  }
  done.get_future().wait();
  EXPECT_EQ(order, (std::vector{0, 1, 2, 3, 4}));
  EXPECT_TRUE(soon([&] { return lane.counters().finished == 5; }));
  EXPECT_EQ(lane.counters().accepted, 5U);
}

TEST(Lane, RunsAsManyAtOnceAsItHasThreads) {
  std::latch both{3};
  Lane lane{"test", 3, 0};
  for (int i = 0; i < 3; ++i) ASSERT_TRUE(lane.submit([&] { both.arrive_and_wait(); }));
  EXPECT_TRUE(soon([&] { return lane.counters().finished == 3; }));
}

TEST(Lane, FullLaneFailsAtOnce) {
  auto gate = std::make_shared<Gate>();
  Lane lane{"test", 1, 2};
  for (int i = 0; i < 3; ++i) ASSERT_TRUE(lane.submit([gate] { gate->open.wait(); })) << i;
  const auto before = std::chrono::steady_clock::now();
  EXPECT_FALSE(lane.submit([] {}));
  EXPECT_LT(std::chrono::steady_clock::now() - before, 1s);
  EXPECT_EQ(lane.counters().refused, 1U);
  gate->opened.set_value();
  EXPECT_TRUE(soon([&] { return lane.counters().finished == 3; }));
  EXPECT_TRUE(lane.submit([] {}));
}

TEST(Lane, SpareThreadTakesOverFromAStuckCall) {
  auto gate = std::make_shared<Gate>();
  Lane lane{"test", 1, 2};
  ASSERT_TRUE(lane.submit([gate] { gate->open.wait(); }, 20ms));
  std::this_thread::sleep_for(40ms);
  std::atomic<bool> ran = false;
  ASSERT_TRUE(lane.submit([&] { ran = true; }));
  EXPECT_TRUE(soon([&] { return ran.load(); }));
  EXPECT_EQ(lane.counters().overdue, 1U);
  EXPECT_EQ(lane.counters().threads, 2U);
  gate->opened.set_value();
  EXPECT_TRUE(soon([&] { return lane.counters().running == 0; }));
}

TEST(Lane, SparesAreLimited) {
  auto gate = std::make_shared<Gate>();
  Lane lane{"test", 2, 0};
  int accepted = 0;
  for (int i = 0; i < 20; ++i) {
    accepted += lane.submit([gate] { gate->open.wait(); }, 1ms) ? 1 : 0;
    std::this_thread::sleep_for(5ms);
  }
  EXPECT_EQ(accepted, 4);
  EXPECT_EQ(lane.counters().threads, 4U);
  gate->opened.set_value();
  EXPECT_TRUE(soon([&] { return lane.counters().running == 0; }));
}

TEST(Lane, EndsWithoutACallThatNeverReturns) {
  auto gate = std::make_shared<Gate>();
  auto dropped = std::make_shared<std::atomic<bool>>(true);
  const auto before = std::chrono::steady_clock::now();
  {
    Lane lane{"test", 1, 2};
    ASSERT_TRUE(lane.submit([gate] { gate->open.wait(); }));
    ASSERT_TRUE(lane.submit([dropped] { *dropped = false; }));
    EXPECT_TRUE(soon([&] { return lane.counters().running == 1; }));
  }
  const auto took = std::chrono::steady_clock::now() - before;
  EXPECT_LT(took, Lane::stop_wait_max + 3s);
  EXPECT_GE(took, Lane::stop_wait_max - 100ms);
  gate->opened.set_value();
  EXPECT_TRUE(soon([&] { return gate.use_count() == 1; }));
  EXPECT_TRUE(*dropped) << "what waited must not run after the end";
}

TEST(Lane, EndsAtOnceWhenIdle) {
  const auto before = std::chrono::steady_clock::now();
  {
    Lane lane{"test", 2, 2};
    std::promise<void> done;
    ASSERT_TRUE(lane.submit([&] { done.set_value(); }));
    done.get_future().wait();
  }
  EXPECT_LT(std::chrono::steady_clock::now() - before, 1s);
}

TEST(Lane, SurvivesACallThatThrows) {
  Lane lane{"test", 1, 2};
  ASSERT_TRUE(lane.submit([] { throw std::runtime_error("defect"); }));
  std::promise<void> done;
  ASSERT_TRUE(lane.submit([&] { done.set_value(); }));
  EXPECT_EQ(done.get_future().wait_for(5s), std::future_status::ready);
}

TEST(Lane, ThreadsTakeNoSignals) {
  sigset_t inside{};
  std::promise<void> done;
  Lane lane{"test", 1, 1};
  ASSERT_TRUE(lane.submit([&] {
    pthread_sigmask(SIG_BLOCK, nullptr, &inside);
    done.set_value();
  }));
  done.get_future().wait();
  EXPECT_EQ(sigismember(&inside, SIGTERM), 1);
  EXPECT_EQ(sigismember(&inside, SIGCHLD), 1);
}

}  // namespace
}  // namespace sallyport::net::lane_test
