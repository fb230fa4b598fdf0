// Nobody is let in before the record of it is written.
#include "broker/trail_gate.h"
#include "test/broker/world.h"

#include <gtest/gtest.h>

namespace sallyport {
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
  for (std::size_t i = 0; i < broker::TrailGate::kept_max - 1; ++i) it.note("x");
  for (int i = 0; i < 3; ++i) it.admit("a");
  it.loop.settle();
  EXPECT_EQ(it.outcomes, std::vector<bool>(3, true));
  EXPECT_EQ(it.gate.dropped(), 2u);
}

TEST(TrailGate, NotesBeyondTheLimitAreDroppedAndCounted) {
  Gate it;
  it.sink.failing = true;
  for (std::size_t i = 0; i < broker::TrailGate::kept_max + 7; ++i) it.note("x");
  EXPECT_EQ(it.gate.dropped(), 7u);
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
    trail::Event event;
    event.kind = trail::EventKind::session_denied;
    recorded += it.gate.deny(std::move(event), "policy denied") ? 1 : 0;
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
}  // namespace sallyport
