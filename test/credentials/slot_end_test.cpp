// Shutdown, revocation and the journal as a slot uses it.
#include "test/credentials/fake_world.h"

namespace sallyport::credentials::slot_end_test {
namespace {

std::optional<ShutdownReport> shut_down(World& world, Duration limit = 10s) {
  auto report = std::make_shared<std::optional<ShutdownReport>>();
  world.slot().shutdown(limit, [report](ShutdownReport got) { *report = std::move(got); });
  world.timers.advance(limit + 1ms);
  return *report;
}

/// Two live leases, one of them replaced and held.
Hold two_generations(World& world) {
  world.manager.max_ttl = 90min;
  EXPECT_TRUE(world.get());
  Hold hold = world.slot().hold(world.slot().current());
  world.timers.advance(45min);
  EXPECT_EQ(world.manager.alive_count(), 2u);
  return hold;
}

TEST(SlotShutdown, RevokesEveryLeaseHeldOrNot) {
  World world;
  const Hold hold = two_generations(world);
  const auto report = shut_down(world);
  ASSERT_TRUE(report);
  EXPECT_EQ(report->revoked, 2u);
  EXPECT_TRUE(report->unrevoked.empty());
  EXPECT_EQ(world.manager.alive_count(), 0u);
  EXPECT_TRUE(world.journal.entries.empty());
  EXPECT_EQ(world.timers.pending(), 0u);
}

TEST(SlotShutdown, OurOwnTokenEndsAllWithOneCall) {
  World world;
  world.manager.own_token = true;
  const Hold hold = two_generations(world);
  const auto report = shut_down(world);
  ASSERT_TRUE(report);
  EXPECT_EQ(report->revoked, 2u);
  EXPECT_EQ(world.manager.closed, 1u);
  EXPECT_TRUE(world.manager.revoked.empty());
  EXPECT_TRUE(world.journal.entries.empty());
}

TEST(SlotShutdown, WhenOurTokenWillNotEndLeasesAreRevokedOneByOne) {
  World world;
  world.manager.own_token = true;
  world.manager.on_close = []() -> Result<void> { return failure(ErrorCode::denied); };
  const Hold hold = two_generations(world);
  const auto report = shut_down(world);
  ASSERT_TRUE(report);
  EXPECT_EQ(report->revoked, 2u);
  EXPECT_EQ(world.manager.revoked.size(), 2u);
}

TEST(SlotShutdown, SaysWhatIsLeftWhyAndWhenItDies) {
  World world;
  world.manager.on_revoke = [](const Lease&) -> Result<void> {
    return failure(ErrorCode::denied, "permission denied");
  };
  ASSERT_TRUE(world.get());
  const WallTime end = world.timers.now().wall + 1h;
  const auto report = shut_down(world);
  ASSERT_TRUE(report);
  EXPECT_EQ(report->revoked, 0u);
  ASSERT_EQ(report->unrevoked.size(), 1u);
  EXPECT_EQ(report->unrevoked[0].user, "v-1");
  EXPECT_EQ(report->unrevoked[0].lease_id, "database/creds/app/1");
  EXPECT_NE(report->unrevoked[0].reason.find("permission denied"), std::string::npos);
  ASSERT_TRUE(report->unrevoked[0].dies_at);
  EXPECT_LE(*report->unrevoked[0].dies_at, end);
  EXPECT_EQ(world.journal.entries.size(), 1u) << "the next start may have the right";
}

TEST(SlotShutdown, TriesTransientFailuresAgain) {
  World world;
  unsigned attempts = 0;
  world.manager.on_revoke = [&](const Lease& lease) -> Result<void> {
    if (++attempts < 3) return failure(ErrorCode::retry_later);
    return world.manager.revoke(lease);
  };
  ASSERT_TRUE(world.get());
  const auto report = shut_down(world);
  ASSERT_TRUE(report);
  EXPECT_EQ(report->revoked, 1u);
}

TEST(SlotShutdown, EndsAtItsDeadlineWhateverHangs) {
  World world;
  ASSERT_TRUE(world.get());
  world.runner.latency = [] { return 1h; };
  const auto report = shut_down(world, 3s);
  ASSERT_TRUE(report);
  ASSERT_EQ(report->unrevoked.size(), 1u);
  EXPECT_FALSE(report->unrevoked[0].reason.empty());
  world.timers.advance(2h);  // the late end of the hung one is harmless
  EXPECT_EQ(world.runner.running, 0u);
}

TEST(SlotShutdown, ASecondCallMayBringItsEndForwardButNotPutItOff) {
  for (const auto second : {Duration{2s}, Duration{1h}}) {
    World world;
    ASSERT_TRUE(world.get());
    world.runner.latency = [] { return 1h; };
    std::optional<ShutdownReport> report;
    world.slot().shutdown(10s, [&](ShutdownReport got) { report = std::move(got); });
    world.slot().shutdown(second, [](ShutdownReport) { FAIL() << "told twice"; });
    world.timers.advance(3s);
    EXPECT_EQ(report.has_value(), second < 3s);
    world.timers.advance(8s);
    EXPECT_TRUE(report);
  }
}

TEST(SlotShutdown, AFetchInFlightIsRevokedAsSoonAsItArrives) {
  World world;
  world.runner.latency = [] { return 1s; };
  ErrorCode code = ErrorCode::internal;
  world.slot().get(world.timers.now().mono + 30s,
                   [&](Result<GenerationPtr> result) { code = result.error().code; });
  world.timers.advance(500ms);
  const auto report = shut_down(world);
  EXPECT_EQ(code, ErrorCode::cancelled);
  ASSERT_TRUE(report);
  EXPECT_EQ(report->revoked, 1u);
  EXPECT_EQ(world.manager.alive_count(), 0u);
  EXPECT_EQ(world.journal.recorded, 0u);
}

TEST(SlotShutdown, GetFailsAfterwards) {
  World world;
  ASSERT_TRUE(shut_down(world));
  const auto result = world.get();
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().code, ErrorCode::cancelled);
  EXPECT_EQ(world.slot().current(), nullptr);
  EXPECT_EQ(world.runner.runs, 0u) << "nothing to end, nothing said";
}

TEST(SlotShutdown, ItsCallbackMayDestroyTheSlot) {
  World world;
  ASSERT_TRUE(world.get());
  world.slot().shutdown(10s, [&](ShutdownReport) { world.destroy(); });
  world.timers.advance(11s);
  EXPECT_EQ(world.manager.alive_count(), 0u);
}

TEST(SlotJournal, ALeaseIsWrittenBeforeAnybodyHasIt) {
  World world;
  bool written_first = false;
  world.slot().get(world.timers.now().mono + 30s,
                   [&](Result<GenerationPtr>) { written_first = world.journal.recorded == 1; });
  world.timers.advance(1s);
  EXPECT_TRUE(written_first);
}

TEST(SlotJournal, WhatCannotBeWrittenIsNotUsedAndRevoked) {
  World world;
  world.journal.failing = true;
  const auto result = world.get(5s);
  ASSERT_FALSE(result);
  EXPECT_NE(describe(result.error()).find("disk full"), std::string::npos);
  world.timers.advance(100ms);
  EXPECT_EQ(world.manager.alive_count(), 0u);
  EXPECT_EQ(world.slot().current(), nullptr);
}

TEST(SlotJournal, BestEffortUsesItAndWarns) {
  World world;
  world.options.journal_best_effort = true;
  world.journal.failing = true;
  EXPECT_TRUE(world.get());
  EXPECT_EQ(world.observer.warnings.size(), 1u);
}

TEST(SlotJournal, AnExpiredLeaseIsForgotten) {
  World world;
  world.manager.ttl = world.manager.max_ttl = 1h;
  ASSERT_TRUE(world.get());
  const Hold hold = world.slot().hold(world.slot().current());
  world.timers.advance(70min);
  EXPECT_EQ(world.observer.gone, std::vector<std::uint64_t>{1});
  EXPECT_FALSE(world.journal.entries.contains("database/creds/app/1"));
}

TEST(SlotRevocation, AFailureIsSaidAndRetriedUntilTheLeaseEnds) {
  World world;
  Hold hold = two_generations(world);
  world.manager.on_revoke = [](const Lease&) -> Result<void> { return failure(ErrorCode::retry_later); };
  hold.release();
  world.timers.advance(20min);
  EXPECT_GE(world.slot().counters().revocation_failures, 3u);
  EXPECT_LE(world.slot().counters().revocation_failures, 12u);
  ASSERT_EQ(world.observer.warnings.size(), 1u);
  EXPECT_NE(world.observer.warnings[0].find("ends by itself at"), std::string::npos);
  EXPECT_TRUE(world.observer.gone.empty());
  world.timers.advance(30min);
  EXPECT_EQ(world.observer.gone, std::vector<std::uint64_t>{1});
}

TEST(SlotRevocation, ADenialIsNotRepeated) {
  World world;
  Hold hold = two_generations(world);
  world.manager.on_revoke = [](const Lease&) -> Result<void> { return failure(ErrorCode::denied); };
  hold.release();
  world.timers.advance(20min);
  EXPECT_EQ(world.slot().counters().revocation_failures, 1u);
  EXPECT_EQ(world.observer.warnings.size(), 1u);
}

TEST(SlotRevocation, AnOrphanIsRevokedAndItsCallerTold) {
  World world;
  Lease orphan;
  orphan.id = "database/creds/app/old";
  bool told = false;
  world.slot().revoke_orphan(orphan, [&](Result<void> result) { told = !!result; });
  world.timers.advance(1s);
  EXPECT_TRUE(told);
  EXPECT_EQ(world.manager.revoked, std::vector<std::string>{"database/creds/app/old"});
}

TEST(SlotRevocation, AnOrphanThatCannotBeRevokedIsGivenUpAloud) {
  World world;
  world.manager.on_revoke = [](const Lease&) -> Result<void> { return failure(ErrorCode::retry_later); };
  std::optional<ErrorCode> code;
  world.slot().revoke_orphan(Lease{}, [&](Result<void> result) { code = result.error().code; });
  world.timers.advance(1h);
  EXPECT_EQ(code, ErrorCode::retry_later);
}

TEST(SlotRevocation, AnOrphanAtShutdownStaysForTheNextStart) {
  World world;
  world.runner.latency = [] { return 1s; };
  ASSERT_TRUE(world.get());
  std::optional<ErrorCode> code;
  world.slot().prefetch();
  world.manager.on_revoke = [](const Lease&) -> Result<void> { return failure(ErrorCode::retry_later); };
  world.slot().revoke_orphan(Lease{}, [&](Result<void> result) { code = result.error().code; });
  world.timers.advance(1100ms);
  world.manager.on_revoke = [&](const Lease& lease) { return world.manager.revoke(lease); };
  const auto report = shut_down(world);
  ASSERT_TRUE(report);
  EXPECT_EQ(code, ErrorCode::cancelled);
  EXPECT_TRUE(report->unrevoked.empty());
}

}  // namespace
}  // namespace sallyport::credentials::slot_end_test
