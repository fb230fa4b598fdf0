// Callers, the fetch they share, and its failures.
#include "test/credentials/fake_world.h"

namespace sallyport::credentials::slot_get_test {
namespace {

TEST(SlotGet, ThreeHundredCallersShareOneFetch) {
  World world;
  unsigned answered = 0;
  for (int i = 0; i < 300; ++i) {
    world.slot().get(world.timers.now().mono + 30s, [&](Result<GenerationPtr> result) {
      ASSERT_TRUE(result);
      EXPECT_EQ((*result)->number, 1u);
      ++answered;
    });
  }
  EXPECT_EQ(answered, 0u);
  world.timers.advance(1s);
  EXPECT_EQ(answered, 300u);
  EXPECT_EQ(world.slot().counters().fetches, 1u);
  EXPECT_EQ(world.manager.leases.size(), 1u);
}

TEST(SlotGet, AnswersFromWithinTheCallWhenUsable) {
  World world;
  ASSERT_TRUE(world.get());
  bool answered = false;
  EXPECT_EQ(
      world.slot().get(world.timers.now().mono, [&](Result<GenerationPtr> result) { answered = !!result; }),
      0u);
  EXPECT_TRUE(answered);
  EXPECT_EQ(world.slot().counters().fetches, 1u);
}

TEST(SlotGet, PrefetchMakesTheFirstCallerNotWait) {
  World world;
  world.slot().prefetch();
  EXPECT_EQ(world.slot().current(), nullptr);
  world.timers.advance(1s);
  ASSERT_NE(world.slot().current(), nullptr);
  EXPECT_EQ(world.slot().current()->credential->user, "v-1");
  EXPECT_EQ(world.observer.news, std::vector<std::uint64_t>{1});
}

TEST(SlotGet, AWaiterIsAnsweredAtItsDeadlineAndToldWhy) {
  World world;
  world.runner.latency = [] { return 20s; };
  const auto before = world.timers.now().mono;
  const auto result = world.get(5s);
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().code, ErrorCode::timed_out);
  EXPECT_LE(world.timers.now().mono - before, 5s + 10ms);
  EXPECT_EQ(world.slot().counters().waits_timed_out, 1u);
  world.timers.advance(30s);
  EXPECT_NE(world.slot().current(), nullptr) << "the fetch itself went on";
}

TEST(SlotGet, ACancelledWaiterIsNotCalled) {
  World world;
  bool called = false;
  const auto id =
      world.slot().get(world.timers.now().mono + 30s, [&](Result<GenerationPtr>) { called = true; });
  EXPECT_NE(id, 0u);
  world.slot().cancel(id);
  world.slot().cancel(id);
  world.slot().cancel(4711);
  world.timers.advance(1min);
  EXPECT_FALSE(called);
}

TEST(SlotGet, AWaiterCancelledByAnotherWaitersCallbackIsNotCalled) {
  World world;
  bool called = false;
  Slot::WaiterId second = 0;
  world.slot().get(world.timers.now().mono + 30s,
                   [&](Result<GenerationPtr>) { world.slot().cancel(second); });
  second = world.slot().get(world.timers.now().mono + 30s, [&](Result<GenerationPtr>) { called = true; });
  world.timers.advance(1s);
  EXPECT_FALSE(called);
}

TEST(SlotGet, TransientFailuresAreRetriedForWaitersInsideTheirDeadline) {
  World world;
  unsigned attempts = 0;
  world.manager.on_fetch = [&]() -> Result<secrets::Fetched> {
    if (++attempts < 4) return failure(ErrorCode::retry_later);
    return world.manager.issue();
  };
  const auto result = world.get(30s);
  ASSERT_TRUE(result) << describe(result.error());
  EXPECT_EQ(attempts, 4u);
}

TEST(SlotGet, DefiniteFailuresAreToldAtOnce) {
  for (const ErrorCode code : {ErrorCode::denied, ErrorCode::bad_config, ErrorCode::not_found}) {
    World world;
    world.manager.on_fetch = [&]() -> Result<secrets::Fetched> { return failure(code); };
    const auto before = world.timers.now().mono;
    const auto result = world.get(30s);
    ASSERT_FALSE(result);
    EXPECT_EQ(result.error().code, code);
    EXPECT_LT(world.timers.now().mono - before, 100ms);
  }
}

TEST(SlotGet, WhatACallerTellsItselfIsNotAlsoWarnedOf) {
  for (const auto told : {Slot::ErrorsTold::by_caller, Slot::ErrorsTold::by_slot}) {
    World world;
    world.manager.on_fetch = []() -> Result<secrets::Fetched> { return failure(ErrorCode::denied); };
    int answers = 0;
    const auto count = [&](Result<GenerationPtr> result) { answers += result.has_error() ? 1 : 0; };
    world.slot().get(world.timers.now().mono + 30s, count, Slot::ErrorsTold::by_caller);
    world.slot().get(world.timers.now().mono + 30s, count, told);
    world.timers.advance(5s);
    EXPECT_EQ(answers, 2);
    EXPECT_EQ(world.observer.warnings.size(), told == Slot::ErrorsTold::by_caller ? 0u : 1u);
  }
}

TEST(SlotGet, ADefiniteFailureIsRememberedSoThatCallersDoNotStorm) {
  World world;
  world.manager.on_fetch = [&]() -> Result<secrets::Fetched> { return failure(ErrorCode::denied); };
  unsigned failed = 0;
  for (int i = 0; i < 3600; ++i) {
    world.slot().get(world.timers.now().mono + 30s, [&](Result<GenerationPtr> result) { failed += !result; });
    world.timers.advance(1s);
  }
  EXPECT_EQ(failed, 3600u);
  EXPECT_LE(world.slot().counters().fetches, 80u) << "an hour at a cap of one a minute";
  EXPECT_GE(world.slot().counters().fetches, 50u) << "and not for ever";
  EXPECT_TRUE(world.slot().status().last_error);
}

TEST(SlotGet, RecoversByItselfAfterAFailureIsMended) {
  World world;
  world.manager.on_fetch = [&]() -> Result<secrets::Fetched> { return failure(ErrorCode::denied); };
  EXPECT_FALSE(world.get());
  world.manager.on_fetch = [&] { return world.manager.issue(); };
  world.timers.advance(1min);
  EXPECT_TRUE(world.get());
  EXPECT_FALSE(world.slot().status().last_error);
}

TEST(SlotGet, PrefetchGoesOnThroughAnOutageWithoutAStorm) {
  World world;
  world.manager.on_fetch = [&]() -> Result<secrets::Fetched> { return failure(ErrorCode::retry_later); };
  world.slot().prefetch();
  world.timers.advance(1h);
  EXPECT_LE(world.slot().counters().fetches, 80u);
  world.manager.on_fetch = [&] { return world.manager.issue(); };
  world.timers.advance(70s);
  EXPECT_NE(world.slot().current(), nullptr);
}

TEST(SlotGet, ASourceThatAnswersAgainIsFoundWhileSomebodyWaits) {
  World world;
  world.manager.on_fetch = [&]() -> Result<secrets::Fetched> { return failure(ErrorCode::retry_later); };
  world.slot().prefetch();
  world.timers.advance(30min);  // the back-off stands at its cap
  const auto before = world.slot().counters().fetches;
  for (int i = 0; i < 4; ++i) EXPECT_FALSE(world.get(12s));
  EXPECT_GE(world.slot().counters().fetches - before, 4u);
  EXPECT_LE(world.slot().counters().fetches - before, 8u);
  world.manager.on_fetch = [&] { return world.manager.issue(); };
  const auto result = world.get(12s);
  EXPECT_TRUE(result) << describe(result.error());
}

TEST(SlotGet, AnExpiredGiftIsAnErrorAndNoFetchLoop) {
  World world;
  world.manager.ttl = Duration::zero();
  EXPECT_FALSE(world.get(5s));
  world.timers.advance(1min);
  EXPECT_LE(world.slot().counters().fetches, 12u);
  EXPECT_EQ(world.slot().current(), nullptr);
}

TEST(SlotGet, ASlowReplyDoesNotLengthenTheLease) {
  World world;
  world.runner.latency = [] { return 15s; };
  ASSERT_TRUE(world.get());
  const auto expiry = world.slot().expiry_of(1);
  ASSERT_TRUE(expiry);
  EXPECT_LE(*expiry, world.timers.now().wall - 15s + 1h + 2ms);
}

TEST(SlotGet, CallbacksMayDestroyTheSlot) {
  World world;
  world.slot().get(world.timers.now().mono + 30s, [&](Result<GenerationPtr>) { world.destroy(); });
  world.slot().get(world.timers.now().mono + 30s,
                   [](Result<GenerationPtr>) { FAIL() << "called by the dead"; });
  world.timers.advance(1min);
  ASSERT_TRUE(world.get());
  world.slot().get(world.timers.now().mono, [&](Result<GenerationPtr>) { world.destroy(); });
}

TEST(SlotGet, ASlotDestroyedDuringAFetchLeavesQuietly) {
  World world;
  world.slot().prefetch();
  world.destroy();
  world.timers.advance(1min);
  EXPECT_TRUE(world.observer.news.empty());
  EXPECT_EQ(world.timers.pending(), 0u);
}

TEST(SlotGet, CallbacksMayAskAgain) {
  World world;
  unsigned answers = 0;
  std::function<void(Result<GenerationPtr>)> again = [&](Result<GenerationPtr>) {
    if (++answers < 5) world.slot().get(world.timers.now().mono + 1s, again);
  };
  world.slot().get(world.timers.now().mono + 30s, again);
  world.timers.advance(1s);
  EXPECT_EQ(answers, 5u);
}

TEST(SlotGet, WarningsOfTheSourceAreSaidOnce) {
  World world;
  world.manager.warnings = {"add this line to the policy"};
  world.manager.max_ttl = 1h;
  ASSERT_TRUE(world.get());
  world.timers.advance(3h);
  EXPECT_GE(world.observer.news.size(), 3u);
  EXPECT_EQ(world.observer.warnings, std::vector<std::string>{"production/app: add this line to the policy"});
}

TEST(SlotGet, AGenerationCarriesWhatItsSecretMayNotSupply) {
  World world;
  world.manager.on_fetch = [&]() -> Result<secrets::Fetched> {
    auto fetched = static_password("secret");
    fetched.ignored_fields = {"sslmode"};
    return fetched;
  };
  const auto result = world.get();
  ASSERT_TRUE(result);
  EXPECT_EQ((*result)->ignored_fields, std::vector<std::string>{"sslmode"});
}

}  // namespace
}  // namespace sallyport::credentials::slot_get_test
