// Nobody is let in before the record of it is written.
#include "broker/trail_gate.h"
#include "base/limits.h"
#include "test/broker/world.h"
#include "trail/trail.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>

namespace sallyport::trail_gate_test {
namespace {

using namespace std::chrono_literals;

struct Gate {
  explicit Gate(config::AuditMode mode = config::AuditMode::required) : gate(&sink, mode, loop, logger) {}
  void admit(std::string session) {
    trail::Event event;
    event.session = std::move(session);
    gate.admit(std::move(event),
               [this](const Result<void>& outcome) { outcomes.push_back(outcome.has_value()); });
  }
  void note(std::string session) {
    trail::Event event;
    event.kind = trail::EventKind::session_end;
    event.session = std::move(session);
    gate.note(std::move(event));
  }
  std::string written() const {
    std::string all;
    for (const auto& event : sink.events) all += event.session;
    return all;
  }
  test::VirtualLoop loop;
  test::RememberingLogger logger;
  test::MemoryTrail sink;
  broker::TrailGate gate;
  std::vector<bool> outcomes;
};

trail::Event denial(std::string reason) {
  trail::Event event;
  event.kind = trail::EventKind::session_denied;
  event.reason = std::move(reason);
  return event;
}

/// 9 kB as a record.
trail::Event long_end() {
  trail::Event event;
  event.kind = trail::EventKind::session_end;
  const std::string hostile(512, '\x01');
  event.claimed = {{"user", hostile}, {"database", hostile}, {"application_name", hostile}};
  return event;
}

/// A gate before a writer of segments whose disk can be full.
struct RealTrail final : trail::Sink {
  RealTrail() {
    if (auto opened = trail::open_writer({directory + "/trail"})) writer = std::move(*opened);
  }
  ~RealTrail() override { std::filesystem::remove_all(directory); }
  RealTrail(const RealTrail&) = delete;
  RealTrail& operator=(const RealTrail&) = delete;

  void add(const trail::Event& event) override {
    ++added;
    ++waiting;
    if (!outage) writer->add(event);
  }
  Result<void> commit() override {
    const auto count = std::exchange(waiting, 0);
    if (outage) return Error{ErrorCode::retry_later, Hop::trail, "/trail", "no space left", "Make room", {}};
    auto done = writer->commit();
    if (done) committed += count;
    return done;
  }
  /// Asked for now.
  bool is_let_in() {
    bool in = false;
    gate.admit({}, [&in](const Result<void>& outcome) { in = outcome.has_value(); });
    loop.run_turn();
    return in;
  }

  std::string name = (std::filesystem::temp_directory_path() / "sallyport-gate-XXXXXX").string();
  std::string directory = ::mkdtemp(name.data());
  std::unique_ptr<trail::Sink> writer;
  bool outage = false;
  std::size_t added = 0, waiting = 0, committed = 0;
  test::VirtualLoop loop;
  test::RememberingLogger logger;
  broker::TrailGate gate{this, config::AuditMode::required, loop, logger};
};

TEST(TrailGate, AllOfOneTurnGoesOutWithOneWriteAtItsEnd) {
  Gate it;
  it.admit("a");
  it.note("b");
  it.admit("c");
  EXPECT_TRUE(it.outcomes.empty());
  EXPECT_EQ(it.sink.commits, 0u);
  it.loop.run_turn();
  EXPECT_EQ(it.sink.commits, 1u);
  EXPECT_EQ(it.outcomes, (std::vector<bool>{true, true}));
}

TEST(TrailGate, AFailureRefusesThoseWhoWaitAndKeepsTheNotes) {
  Gate it;
  it.sink.failing = true;
  it.admit("a");
  it.note("b");
  it.loop.settle();
  EXPECT_EQ(it.outcomes, std::vector<bool>{false});
  EXPECT_FALSE(it.gate.healthy());
  it.sink.failing = false;
  it.loop.advance(2s);
  EXPECT_EQ(it.written(), "b") << "once, and not the refused one";
  EXPECT_TRUE(it.gate.healthy());
  EXPECT_EQ(it.logger.lines.size(), 2u) << "said when it began and when it ended";
}

TEST(TrailGate, BestEffortLetsInAndStillTries) {
  Gate it{config::AuditMode::best_effort};
  it.sink.failing = true;
  it.note("a");
  it.admit("b");
  it.loop.settle();
  EXPECT_EQ(it.outcomes, std::vector<bool>{true});
  it.note("c");
  it.loop.settle();
  it.sink.failing = false;
  it.loop.advance(2s);
  EXPECT_EQ(it.written(), "abc") << "no end without its start";
  EXPECT_EQ(it.outcomes.size(), 1u) << "let in once";
}

TEST(TrailGate, StartsThatBestEffortCannotKeepAreCounted) {
  Gate it{config::AuditMode::best_effort};
  it.sink.failing = true;
  for (std::size_t i = 0; i < limits::trail_kept_max - 1; ++i) it.note("x");
  for (int i = 0; i < 3; ++i) it.admit("a");
  it.loop.settle();
  EXPECT_EQ(it.outcomes, std::vector<bool>(3, true));
  EXPECT_EQ(it.gate.lost().others, 2u);
}

TEST(TrailGate, WhatWasDroppedIsToldOnceTheTrailIsWell) {
  Gate it;
  it.sink.failing = true;
  for (std::size_t i = 0; i < limits::trail_kept_max + 7; ++i) it.note("x");
  it.gate.deny(denial("policy denied"), "policy denied");
  it.loop.settle();
  it.sink.failing = false;
  it.loop.advance(2s);
  ASSERT_EQ(it.sink.events.size(), limits::trail_kept_max + 2);
  const auto told = it.sink.of(trail::EventKind::security);
  ASSERT_EQ(told.size(), 2u);
  EXPECT_EQ(told[0].result, "dropped");
  EXPECT_EQ(told[0].count, 1u) << told[0].reason;
  EXPECT_EQ(told[1].count, 7u) << told[1].reason;
  EXPECT_EQ(it.logger.lines.size(), 3u) << "failed, well again, lost";
  EXPECT_EQ(it.gate.lost().others, 0u);
  it.loop.advance(1min);
  EXPECT_EQ(it.sink.of(trail::EventKind::security).size(), 2u) << "once";
}

TEST(TrailGate, ALongOutageWithMuchToWriteEndsWithTheDisksTrouble) {
  RealTrail it;
  it.outage = true;
  for (int i = 0; i < 2500; ++i) it.gate.note(long_end());  // 23 MB of records: more than one commit takes
  it.loop.settle();
  it.outage = false;
  it.loop.advance(10s);
  EXPECT_TRUE(it.is_let_in());
  EXPECT_TRUE(it.gate.healthy());
  EXPECT_EQ(it.committed, 2501u) << "with the admission, and none is lost";
}

TEST(TrailGate, WhoWaitsIsLetInAtOnceWhenTheDiskIsWellAndNotBehindWhatIsKept) {
  RealTrail it;
  it.outage = true;
  for (int i = 0; i < 2500; ++i) it.gate.note(long_end());
  it.loop.settle();
  it.outage = false;
  EXPECT_TRUE(it.is_let_in()) << "in the turn that asks";
}

TEST(TrailGate, AnOutageCostsOneRecordASecond) {
  RealTrail it;
  it.outage = true;
  for (int i = 0; i < 1000; ++i) it.gate.note(long_end());
  it.loop.settle();
  it.added = 0;
  it.loop.advance(60s);
  EXPECT_LE(it.added, 61u);
}

TEST(TrailGate, AFlushTellsWhatWasNeverWritten) {
  Gate it;
  it.sink.failing = true;
  it.note("a");
  it.gate.flush();
  ASSERT_EQ(it.logger.lines.size(), 2u);
  EXPECT_NE(it.logger.lines.back().find("audit records are lost"), std::string::npos);
}

TEST(TrailGate, FlushWritesWhatIsLeft) {
  Gate it;
  it.sink.failing = true;
  it.note("b");
  it.loop.settle();
  it.sink.failing = false;
  it.gate.flush();
  EXPECT_EQ(it.written(), "b");
}

TEST(TrailGate, WithoutATrailEverybodyIsLetIn) {
  test::VirtualLoop loop;
  test::RememberingLogger logger;
  broker::TrailGate gate{nullptr, config::AuditMode::best_effort, loop, logger};
  bool in = false;
  gate.admit({}, [&](const Result<void>& outcome) { in = outcome.has_value(); });
  loop.settle();
  EXPECT_TRUE(in);
}

TEST(TrailGate, AFloodOfDenialsIsCountedInsteadOfWritten) {
  Gate it;
  int recorded = 0;
  for (int i = 0; i < 5000; ++i) {
    recorded += it.gate.deny(denial({}), "policy denied") ? 1 : 0;
  }
  it.loop.settle();
  EXPECT_LT(it.sink.events.size(), 1000u);
  EXPECT_EQ(it.sink.events.size(), static_cast<std::size_t>(recorded));
  it.loop.advance(5min);
  std::uint64_t counted = 0;
  for (const auto& event : it.sink.events) counted += event.count.value_or(1);
  EXPECT_EQ(counted, 5000u);
}

}  // namespace
}  // namespace sallyport::trail_gate_test
