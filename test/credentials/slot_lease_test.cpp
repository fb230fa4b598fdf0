// Renewal, replacement, outages, clocks that jump.
#include "credentials/schedule.h"
#include "test/credentials/fake_world.h"

namespace sallyport::credentials::slot_lease_test {
namespace {

TEST(SlotLease, IsRenewedAtTwoThirdsEachTime) {
  World world;
  ASSERT_TRUE(world.get());
  const WallTime start = world.timers.now().wall;
  world.timers.advance(20h);
  ASSERT_GE(world.manager.renew_times.size(), 20u);
  WallTime last = start;
  for (const WallTime at : world.manager.renew_times) {
    EXPECT_GE(at - last, 40min + 2min);  // 2/3 of 1 h + 1/3 of a grace of 6 to 12 min
    EXPECT_LE(at - last, 40min + 4min + 1s);
    last = at;
  }
  EXPECT_EQ(world.slot().counters().fetches, 1u);
  EXPECT_EQ(world.slot().current()->number, 1u);
}

TEST(SlotLease, AShrinkingLeaseGetsASuccessorBeforeItsEnd) {
  World world;
  world.manager.ttl = 1h;
  world.manager.max_ttl = 90min;
  ASSERT_TRUE(world.get());
  auto hold = world.slot().hold(world.slot().current());
  world.timers.advance(45min);  // the renewal at 42 to 44 min got less than asked
  EXPECT_EQ(world.observer.news, (std::vector<std::uint64_t>{1, 2}));
  EXPECT_EQ(world.slot().current()->number, 2u);
  EXPECT_TRUE(world.manager.user_alive("v-1")) << "still held";
  EXPECT_TRUE(world.observer.gone.empty());
}

TEST(SlotLease, TheReplacedOneIsRevokedWhenItsLastHolderLeaves) {
  World world;
  world.manager.max_ttl = 90min;
  ASSERT_TRUE(world.get());
  auto first = world.slot().hold(world.slot().current());
  auto second = world.slot().hold(world.slot().current());
  world.timers.advance(45min);
  ASSERT_EQ(world.slot().current()->number, 2u);
  first.release();
  first.release();
  world.timers.advance(1s);
  EXPECT_TRUE(world.manager.revoked.empty());
  second = Hold{};
  world.timers.advance(1s);
  EXPECT_EQ(world.manager.revoked, std::vector<std::string>{"database/creds/app/1"});
  EXPECT_EQ(world.observer.gone, std::vector<std::uint64_t>{1});
  EXPECT_EQ(world.journal.entries, std::set<std::string>{"database/creds/app/2"});
  EXPECT_TRUE(world.observer.endings.empty()) << "nobody was left to move";
}

TEST(SlotLease, AReplacedRefusedOneIsStillRenewedWhileHeld) {
  World world;
  ASSERT_TRUE(world.get());
  auto hold = world.slot().hold(world.slot().current());
  world.slot().report_login_failed(1, "28P01");
  world.timers.advance(10h);
  EXPECT_EQ(world.slot().current()->number, 2u);
  EXPECT_TRUE(world.manager.user_alive("v-1"));
  hold.release();
  world.timers.advance(1s);
  EXPECT_FALSE(world.manager.user_alive("v-1"));
}

TEST(SlotLease, HoldersAreToldBeforeTheEndAndThenItIsGone) {
  World world;
  world.manager.max_ttl = 90min;
  ASSERT_TRUE(world.get());
  auto hold = world.slot().hold(world.slot().current());
  const WallTime end = world.timers.now().wall + 90min;
  world.timers.advance(2h);
  ASSERT_EQ(world.observer.endings.size(), 1u);
  const auto told = world.observer.endings[0];
  EXPECT_EQ(told.number, 1u);
  EXPECT_LE(told.deadline.wall, end);
  EXPECT_GE(told.deadline.wall, end - 2s);
  EXPECT_GE(told.deadline.wall - told.at.wall, 9min);
  EXPECT_LE(told.deadline.wall - told.at.wall, 10min);
  EXPECT_EQ(std::count(world.observer.gone.begin(), world.observer.gone.end(), 1u), 1);
  EXPECT_FALSE(world.slot().hold(hold.generation()));
  hold.release();  // harmless
}

TEST(SlotLease, AVeryShortLifeStillOverlaps) {
  World world;
  world.manager.ttl = 6s;
  world.manager.max_ttl = 6s;
  ASSERT_TRUE(world.get());
  std::map<std::uint64_t, Hold> holds;
  for (int i = 0; i < 600; ++i) {
    const auto current = world.slot().current();
    ASSERT_NE(current, nullptr) << "after " << i << " ticks";
    ASSERT_TRUE(world.manager.user_alive(current->credential->user));
    if (!holds.contains(current->number)) holds.emplace(current->number, world.slot().hold(current));
    world.timers.advance(100ms);
  }
  for (const auto& told : world.observer.endings) {
    EXPECT_GE(told.deadline.mono - told.at.mono, 500ms) << told.number;
    EXPECT_GT(world.slot().current()->number, told.number - 1);
  }
  EXPECT_GE(world.observer.endings.size(), 10u);
  EXPECT_LE(world.slot().counters().fetches, 20u);
}

TEST(SlotLease, AShortLeaseIsRenewedAtAThird) {
  World world;
  world.manager.ttl = 3s;
  world.manager.max_ttl = 6s;
  ASSERT_TRUE(world.get());
  const auto first = world.timers.now().wall;
  auto hold = world.slot().hold(world.slot().current());
  world.timers.advance(6s);
  ASSERT_FALSE(world.observer.endings.empty());
  const auto& told = world.observer.endings[0];
  EXPECT_EQ(told.number, 1u);
  EXPECT_GE(told.deadline.mono - told.at.mono, 1800ms) << "two thirds of its time to live, less the margin";
  ASSERT_FALSE(world.manager.renew_times.empty());
  EXPECT_LE(world.manager.renew_times[0] - first, 1s + 20ms);
  // Its successor likewise, now that the maximum is known.
  const auto second = world.slot().current()->number;
  auto next = world.slot().hold(world.slot().current());
  ASSERT_EQ(second, 2u);
  const auto renewals = world.manager.renew_times.size();
  const auto since = world.timers.now().wall;
  world.timers.advance(1500ms);
  ASSERT_GT(world.manager.renew_times.size(), renewals);
  EXPECT_LE(world.manager.renew_times[renewals] - since, 1s + 20ms);
}

TEST(SlotLease, IsRenewedOnceMoreBeforeItsSuccessorIsAskedFor) {
  World world;
  world.manager.ttl = 3s;
  world.manager.max_ttl = 6s;
  ASSERT_TRUE(world.get());
  auto first = world.slot().hold(world.slot().current());
  world.timers.advance(5s);
  ASSERT_EQ(world.slot().current()->number, 2u);
  first.release();
  auto second = world.slot().hold(world.slot().current());
  world.timers.advance(5s);
  ASSERT_FALSE(world.observer.endings.empty());
  const auto& told = world.observer.endings.back();
  EXPECT_EQ(told.number, 2u);
  EXPECT_GE(told.deadline.mono - told.at.mono, 2500ms) << "nearly a whole time to live";
}

TEST(SlotLease, ARevocationWaitsForARenewalThatIsDueSoon) {
  World world;
  world.manager.ttl = 40s;
  ASSERT_TRUE(world.get());
  auto hold = world.slot().hold(world.slot().current());
  world.slot().report_login_failed(1, "28P01");
  ASSERT_TRUE(world.get());
  ASSERT_EQ(world.slot().current()->number, 2u);
  world.timers.advance(5s);  // a third of its time to live is 13 s
  hold.release();
  world.timers.advance(8s);
  EXPECT_TRUE(world.manager.revoked.empty()) << "it might take longer than that";
  const auto renewals = world.manager.renew_times.size();
  world.timers.advance(1s);
  EXPECT_EQ(world.manager.renew_times.size(), renewals + 1);
  EXPECT_EQ(world.manager.revoked.size(), 1u);
}

TEST(SlotLease, ANonRenewableLeaseIsReplacedAtEightyFivePercent) {
  World world;
  world.manager.renewable = false;
  ASSERT_TRUE(world.get());
  auto hold = world.slot().hold(world.slot().current());
  world.timers.advance(50min);
  EXPECT_EQ(world.slot().counters().fetches, 1u);
  world.timers.advance(2min);
  EXPECT_EQ(world.slot().counters().fetches, 2u);
  EXPECT_EQ(world.slot().counters().renewals, 0u);
  world.timers.advance(10min);
  ASSERT_EQ(world.observer.endings.size(), 1u);
  EXPECT_GE(world.observer.endings[0].deadline.wall - world.observer.endings[0].at.wall, 4min);
}

TEST(SlotLease, ALeaseThatDiesWithItsTokenIsNotRenewedBeyondIt) {
  World world;
  const WallTime token_end = world.timers.now().wall + 30min;
  world.manager.on_fetch = [&]() -> Result<secrets::Fetched> {
    if (world.timers.now().wall >= token_end) return failure(ErrorCode::denied);
    auto fetched = world.manager.issue();
    fetched->credential.expires = std::min(*fetched->credential.expires, token_end);
    return fetched;
  };
  ASSERT_TRUE(world.get());
  auto hold = world.slot().hold(world.slot().current());
  world.timers.advance(29min);
  EXPECT_EQ(world.slot().counters().renewals, 0u);
  EXPECT_NE(world.slot().current(), nullptr);
  EXPECT_EQ(world.observer.endings.size(), 1u);
  EXPECT_LE(world.observer.endings[0].deadline.wall, token_end);
  world.timers.advance(2min);
  EXPECT_EQ(world.slot().current(), nullptr);
  EXPECT_LE(world.slot().counters().fetches, 15u);
}

TEST(SlotLease, AnOutageShorterThanTheLeaseIsNotNoticedByCallers) {
  World world;
  ASSERT_TRUE(world.get());
  world.timers.advance(30min);
  world.manager.on_renew = [](const Lease&) -> Result<Lease> { return failure(ErrorCode::retry_later); };
  world.manager.on_fetch = []() -> Result<secrets::Fetched> { return failure(ErrorCode::retry_later); };
  for (int i = 0; i < 25; ++i) {
    world.timers.advance(1min);
    ASSERT_NE(world.slot().current(), nullptr);
  }
  EXPECT_GE(world.slot().counters().renewal_failures, 3u);
  EXPECT_LE(world.slot().counters().renewal_failures + world.slot().counters().fetch_failures, 20u);
  world.manager.on_renew = [&](const Lease& lease) { return world.manager.renew(lease); };
  world.manager.on_fetch = [&] { return world.manager.issue(); };
  world.timers.advance(5min);
  ASSERT_NE(world.slot().current(), nullptr);
  EXPECT_TRUE(world.manager.user_alive(world.slot().current()->credential->user));
}

TEST(SlotLease, AnOutageLongerThanTheLeaseStopsServingAndRecovers) {
  World world;
  ASSERT_TRUE(world.get());
  auto hold = world.slot().hold(world.slot().current());
  world.manager.on_renew = [](const Lease&) -> Result<Lease> { return failure(ErrorCode::timed_out); };
  world.manager.on_fetch = []() -> Result<secrets::Fetched> { return failure(ErrorCode::timed_out); };
  world.timers.advance(59min);
  EXPECT_NE(world.slot().current(), nullptr);
  EXPECT_EQ(world.observer.endings.size(), 1u);
  world.timers.advance(2min);
  EXPECT_EQ(world.slot().current(), nullptr);
  EXPECT_EQ(world.observer.gone, std::vector<std::uint64_t>{1});
  EXPECT_FALSE(world.get(5s));
  world.timers.advance(5h);
  const auto attempts = world.slot().counters().fetches;
  EXPECT_LE(attempts, 5u * 70u + 20u);
  world.manager.on_fetch = [&] { return world.manager.issue(); };
  world.timers.advance(70s);
  EXPECT_NE(world.slot().current(), nullptr);
}

TEST(SlotLease, ALeaseEndedByOthersIsReplacedAtOnceAndItsSessionsTold) {
  World world;
  ASSERT_TRUE(world.get());
  auto hold = world.slot().hold(world.slot().current());
  world.timers.advance(10min);
  world.manager.leases["database/creds/app/1"].revoked = true;
  world.timers.advance(35min);
  EXPECT_EQ(world.slot().current()->number, 2u);
  ASSERT_EQ(world.observer.endings.size(), 1u);
  EXPECT_LE(world.observer.endings[0].deadline.wall, world.observer.endings[0].at.wall);
  EXPECT_EQ(world.observer.gone, std::vector<std::uint64_t>{1});
}

TEST(SlotLease, WhenRenewalIsForbiddenTheSuccessorIsFetchedAtOnce) {
  World world;
  world.manager.on_renew = [](const Lease&) -> Result<Lease> { return failure(ErrorCode::denied); };
  ASSERT_TRUE(world.get());
  auto hold = world.slot().hold(world.slot().current());
  world.timers.advance(45min);
  EXPECT_EQ(world.slot().current()->number, 2u);
  EXPECT_EQ(world.slot().counters().renewals, 1u);
  EXPECT_TRUE(world.manager.user_alive("v-1"));
  EXPECT_TRUE(world.observer.gone.empty()) << "its lease runs to its end";
  world.timers.advance(10h);
  EXPECT_LE(world.slot().counters().fetches, 17u);
}

TEST(SlotLease, ASuspendedMachineDoesNotServeWhatExpiredMeanwhile) {
  World world;
  ASSERT_TRUE(world.get());
  world.timers.jump(2h);
  EXPECT_EQ(world.slot().current(), nullptr);
  const auto result = world.get();
  ASSERT_TRUE(result);
  EXPECT_EQ((*result)->number, 2u);
}

TEST(SlotLease, AfterASuspensionOverARenewalTheRenewalComesBeforeServing) {
  World world;
  ASSERT_TRUE(world.get());
  world.timers.jump(50min);
  bool answered = false;
  world.slot().get(world.timers.now().mono + 30s, [&](Result<GenerationPtr> result) {
    ASSERT_TRUE(result);
    answered = true;
    EXPECT_EQ(world.slot().counters().renewals, 1u);
    EXPECT_EQ((*result)->number, 1u);
  });
  EXPECT_FALSE(answered);
  world.timers.advance(1s);
  EXPECT_TRUE(answered);
  EXPECT_EQ(world.manager.renew_times.size(), 1u);
}

TEST(SlotLease, CheckNowNoticesWhatTimersMissed) {
  World world;
  ASSERT_TRUE(world.get());
  world.timers.jump(50min);
  world.slot().check_now();
  world.timers.advance(100ms);
  EXPECT_EQ(world.manager.renew_times.size(), 1u);
  world.slot().check_now();
  world.timers.advance(100ms);
  EXPECT_EQ(world.manager.renew_times.size(), 1u) << "nothing is overdue any more";
}

TEST(SlotLease, AfterAStopTheOverdueRenewalComesFirst) {
  World world;
  world.runner.latency = [] { return 2s; };
  ASSERT_TRUE(world.get());
  EXPECT_FALSE(world.slot().renews_first());
  world.timers.stall(50min);
  EXPECT_TRUE(world.slot().renews_first()) << "before any timer has fired";
  world.timers.advance(1s);
  EXPECT_TRUE(world.slot().renews_first()) << "while it is under way";
  const auto result = world.get();
  ASSERT_TRUE(result);
  EXPECT_EQ((*result)->number, 1u);
  EXPECT_EQ(world.manager.renew_times.size(), 1u);
  EXPECT_FALSE(world.slot().renews_first());
}

TEST(SlotLease, AnOverdueRenewalThatIsNotAnsweredHoldsUpNobodyForLong) {
  World world;
  ASSERT_TRUE(world.get());
  world.runner.latency = [] { return 20s; };
  world.timers.stall(50min);
  bool answered = false;
  world.slot().get(world.timers.now().mono + 15s, [&](Result<GenerationPtr> result) {
    ASSERT_TRUE(result) << "its lease has not ended";
    EXPECT_EQ((*result)->number, 1u);
    answered = true;
  });
  world.timers.advance(2s);
  EXPECT_FALSE(answered);
  world.slot().check_now();
  world.timers.advance(2s);
  EXPECT_TRUE(answered) << "also when somebody looks again";
  EXPECT_FALSE(world.slot().renews_first());
  EXPECT_TRUE(world.get()) << "at once";
}

TEST(SlotLease, ASlowRenewalInTimeHoldsNobodyUp) {
  World world;
  ASSERT_TRUE(world.get());
  world.runner.latency = [] { return 5s; };
  while (world.runner.running == 0) world.timers.advance(1s);
  world.timers.advance(4s);
  EXPECT_FALSE(world.slot().renews_first());
}

/// A session's hold on a lease that is near its maximum, until the manager, slow by now, says that it ends.
Hold hold_until_told(World& world, Duration latency) {
  world.manager.ttl = 60s;
  world.manager.max_ttl = 65s;
  const auto generation = world.get();
  if (!generation) return {};
  auto hold = world.slot().hold(*generation);
  world.runner.latency = [latency] { return latency; };
  while (world.observer.endings.empty()) world.timers.advance(100ms);
  return hold;
}

TEST(SlotLease, AnEndThatASlowRenewalToldIsInDoubtForAsLongAsItTook) {
  for (const auto& [latency, doubt] : {std::pair{3s, 3s}, {10s, 0s}}) {
    World world;
    const auto hold = hold_until_told(world, latency);
    ASSERT_TRUE(hold);
    const auto& told = world.observer.endings.front();
    EXPECT_GE(told.doubt, doubt - 10ms) << latency.count();
    EXPECT_LE(told.doubt, doubt) << "a longer one is ended by revocation";
  }
}

// It tells what is left of the lease's maximum, counted from some moment since the request.
TEST(SlotLease, ASlowRenewalBringsNoEndBeforeTheOneThatSessionsWereTold) {
  World world;
  const auto hold = hold_until_told(world, 30s);
  ASSERT_TRUE(hold);
  ASSERT_EQ(world.runner.running, 1u) << "the renewal is under way";
  const auto deadline = world.observer.endings.front().deadline;
  world.runner.latency = [] { return 10ms; };
  world.timers.advance(left_until(deadline, world.timers.now()) - 100ms);
  ASSERT_EQ(world.manager.renew_times.size(), 1u);
  EXPECT_TRUE(world.manager.revoked.empty());
  EXPECT_TRUE(world.observer.gone.empty());
}

TEST(SlotLease, AWallClockSetBackDoesNotLengthenALease) {
  World world;
  world.manager.on_renew = [](const Lease&) -> Result<Lease> { return failure(ErrorCode::retry_later); };
  ASSERT_TRUE(world.get());
  world.timers.jump(-24h);
  world.manager.on_fetch = []() -> Result<secrets::Fetched> { return failure(ErrorCode::retry_later); };
  world.timers.advance(61min);
  EXPECT_EQ(world.slot().current(), nullptr);
}

TEST(SlotLease, AnIdleSlotSleeps) {
  World world;
  ASSERT_TRUE(world.get());
  const auto before = world.timers.fired;
  world.timers.advance(1h);
  EXPECT_LE(world.timers.fired - before, 130u);
}

TEST(SlotLease, OurOwnTokenIsRenewedWhenItAsksAndBacksOff) {
  World world;
  world.manager.keep_alive_at = world.timers.now().wall + 10min;
  ASSERT_TRUE(world.get());
  world.timers.advance(9min);
  EXPECT_EQ(world.manager.kept_alive, 0u);
  world.manager.on_keep_alive = [&]() -> Result<void> {
    world.manager.keep_alive_at = world.timers.now().wall + 10min;
    return {};
  };
  world.timers.advance(92min);
  EXPECT_EQ(world.manager.kept_alive, 10u);
  world.manager.on_keep_alive = []() -> Result<void> { return failure(ErrorCode::retry_later); };
  world.timers.advance(1h);
  EXPECT_LE(world.slot().counters().keep_alive_failures, 20u);
  EXPECT_GE(world.slot().counters().keep_alive_failures, 10u);
}

TEST(SlotLease, AKeepAliveThatDoesNotMoveItsTimeIsNoHotLoop) {
  World world;
  world.manager.keep_alive_at = world.timers.now().wall;
  world.slot().prefetch();
  world.timers.advance(10s);
  EXPECT_LE(world.manager.kept_alive, 11u);
  EXPECT_NE(world.slot().current(), nullptr);
}

}  // namespace
}  // namespace sallyport::credentials::slot_lease_test
