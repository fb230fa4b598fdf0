// `pause --wait` and `drain --wait` against a broker that is a list of answers.
#include "cli/operate_wait.h"

#include <gtest/gtest.h>

#include <deque>

namespace sallyport::cli::operate_wait_test {
namespace {

using Json = nlohmann::ordered_json;
using admin::Command;
using admin::Verb;
using namespace std::chrono_literals;

Json target(const char* name, bool paused, unsigned in_use, unsigned ending) {
  return {{"target", name}, {"paused", paused}, {"in_use", in_use}, {"ending", ending}};
}

Json status(std::initializer_list<Json> targets) {
  Json all = Json::array();
  for (const auto& one : targets) all.push_back(one);
  return {{"ok", true}, {"status", {{"targets", all}}}};
}

/// Answers in order; the last one again and again.
struct Broker {
  std::deque<Json> answers;
  std::vector<Verb> asked;
  MonotonicTime now{1h};

  Result<std::string> wait(const Command& command, Duration limit = 10s) {
    return wait_until_done(command, limit,
                           {[this](const Command& next) -> Result<BrokerAnswer> {
                              asked.push_back(next.verb);
                              if (next.verb != Verb::status)
                                return BrokerAnswer{Json{{"ok", true}, {"text", ""}}};
                              auto answer = answers.front();
                              if (answers.size() > 1) answers.pop_front();
                              return BrokerAnswer{std::move(answer)};
                            },
                            [this] { return now; }, [this](Duration pause) { now += pause; }});
  }
};

TEST(OperateWait, APauseIsDoneWhenNoConnectionIsInUse) {
  Broker it;
  it.answers = {status({target("a", true, 2, 0)}), status({target("a", true, 1, 0)}),
                status({target("a", true, 0, 0)})};
  const auto done = it.wait({Verb::pause, "a"});
  ASSERT_TRUE(done);
  EXPECT_EQ(*done, "no server connection is in use any more");
  EXPECT_EQ(it.asked.size(), 3u);
}

TEST(OperateWait, OfOneTargetOnlyThatOneIsWaitedForAndWithoutANameAll) {
  Broker one;
  one.answers = {status({target("a", true, 0, 0), target("b", false, 9, 0)})};
  EXPECT_TRUE(one.wait({Verb::pause, "a"}));
  Broker all;
  all.answers = {status({target("a", true, 0, 0), target("b", true, 9, 0)})};
  const auto late = all.wait({Verb::pause, ""}, 1s);
  ASSERT_FALSE(late);
  EXPECT_EQ(late.error().code, ErrorCode::timed_out);
  EXPECT_EQ(late.error().what, "b: 9 server connections are in use after 1 s, and the pause goes on");
}

TEST(OperateWait, TheDeadlineHolds) {
  Broker it;
  it.answers = {status({target("a", true, 1, 0)})};
  const auto began = it.now;
  const auto late = it.wait({Verb::pause, "a"}, 3s);
  ASSERT_FALSE(late);
  EXPECT_EQ(late.error().what, "a: 1 server connection is in use after 3 s, and the pause goes on");
  EXPECT_EQ(it.now - began, 3s);
}

TEST(OperateWait, AResumeEndsTheWait) {
  Broker it;
  it.answers = {status({target("a", true, 1, 0)}), status({target("a", false, 1, 0)})};
  const auto ended = it.wait({Verb::pause, "a"});
  ASSERT_FALSE(ended);
  EXPECT_EQ(ended.error().code, ErrorCode::denied);
  EXPECT_EQ(ended.error().what, "a: the pause was ended meanwhile");
}

TEST(OperateWait, ADrainOfAnOpenTargetIsDoneWhenWhoWasToldHasEnded) {
  Broker it;
  it.answers = {status({target("a", false, 3, 2)}), status({target("a", false, 2, 0)})};
  EXPECT_TRUE(it.wait({Verb::drain, "a"})) << "others have come, and were not told";
}

TEST(OperateWait, ADrainOfAPausedTargetIsSaidAgainToWhoWasJustBeginning) {
  Broker it;
  it.answers = {status({target("a", true, 2, 1)}), status({target("a", true, 1, 0)}),
                status({target("a", true, 1, 1)}), status({target("a", true, 0, 0)})};
  const auto done = it.wait({Verb::drain, "a"});
  ASSERT_TRUE(done);
  EXPECT_EQ(*done, "no server connection is in use any more");
  EXPECT_EQ(std::ranges::count(it.asked, Verb::drain), 1);
}

TEST(OperateWait, ADrainOfAPausedTargetWaitsForNobodyWhoWaitsHimself) {
  Broker it;
  it.answers = {status({target("a", true, 0, 3)})};
  EXPECT_TRUE(it.wait({Verb::drain, "a"})) << "they end behind the transaction that they wait for";
}

TEST(OperateWait, AnErrorOfTheBrokerIsPassedOn) {
  const WaitPorts ports{[](const Command&) -> Result<BrokerAnswer> {
                          return Error{ErrorCode::not_found, Hop::listener, "sock", "nobody listens", {}, {}};
                        },
                        [] { return MonotonicTime{1h}; }, [](Duration) {}};
  EXPECT_EQ(wait_until_done({Verb::pause, ""}, 1s, ports).error().code, ErrorCode::not_found);
}

}  // namespace
}  // namespace sallyport::cli::operate_wait_test
