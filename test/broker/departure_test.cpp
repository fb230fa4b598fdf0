// What is due to a session that has to leave, and when it is told: moves, endings and dismissals in every order.
#include "broker/departure.h"

#include "test/broker/world.h"

#include <gtest/gtest.h>

namespace sallyport::departure_test {
namespace {

using broker::Dismissal;
using namespace std::chrono_literals;

/// A session at rest on generation 1, of a relay and a departure only; it tells what was said of it.
struct Leaving final : private broker::DepartureOwner, private broker::RelayOwner {
  Leaving() {
    world.pool->take(world.key(), world.loop.now().mono + 30s, [this](Result<broker::UpstreamPtr> upstream) {
      relay.emplace(client_stream, std::move(*upstream), world.loop, MutableBytes{world.buffer},
                    static_cast<broker::RelayOwner&>(*this));
      departure.emplace(*relay, *world.pool, "", world.loop, world.logger,
                        static_cast<broker::DepartureOwner&>(*this));
    });
    world.loop.settle();
    relay->start({});
  }
  ~Leaving() {
    departure->give_up();
    if (relay->has_upstream()) world.pool->discard(relay->detach_upstream());
    world.loop.settle();
  }
  Leaving(const Leaving&) = delete;

  void ask(const std::string& sql) {
    client->push(test::query(sql));
    world.loop.settle();
  }
  /// A successor is there, and the first generation ends.
  void rotate(Duration left = 10s) {
    world.rotate();
    end(1, left);
  }
  void end(std::uint64_t generation, Duration left, Duration doubt = {}) {
    departure->on_generation_ending(generation, {world.loop.now().mono + left, doubt});
    world.loop.settle();
  }
  /// The session's state is bound to its connection.
  void bind() { world.connector.backends.front()->state_row[3] = "1"; }
  [[nodiscard]] std::uint64_t generation() { return relay->upstream().generation; }

  test::World world;
  std::shared_ptr<test::Wire> client = std::make_shared<test::Wire>(world.loop);
  test::MemoryStream client_stream{client};
  std::optional<broker::Relay> relay;
  std::optional<broker::Departure> departure;
  std::vector<std::string> said;
  std::string message, hint;

 private:
  void on_session_moved() override { said.emplace_back("moved"); }
  void on_session_forced(std::string_view reason) override {
    said.push_back("forced: " + std::string{reason});
  }
  void end_session(std::string_view why, const char* its_message, const char* its_hint) override {
    said.emplace_back(why);
    message = its_message;
    hint = its_hint;
    departure->give_up();
  }
  void on_server_lost() override { said.emplace_back("server lost"); }
  void on_boundary() override { departure->on_boundary(); }
  void on_relay_end(broker::EndCause) override {}
};

using Said = std::vector<std::string>;

TEST(Departure, WithoutACauseNothingIsSaidAtABoundary) {
  Leaving it;
  it.departure->on_boundary();
  it.departure->heed_ending();
  it.ask("select 1");
  it.world.loop.advance(1h);
  EXPECT_EQ(it.said, Said{});
}

TEST(Departure, ADrainEndsASessionAtRestAtOnceAndAnotherAtItsBoundary) {
  Leaving at_rest;
  at_rest.departure->drain(Dismissal::shutting_down, 30s);
  EXPECT_EQ(at_rest.said, Said{"drained"});
  EXPECT_EQ(at_rest.message, "Sallyport is shutting down");
  EXPECT_EQ(at_rest.hint, "Connect again");

  Leaving busy;
  busy.ask("BEGIN");
  busy.departure->drain(Dismissal::shutting_down, 30s);
  busy.ask("select 1");
  EXPECT_EQ(busy.said, Said{});
  busy.ask("COMMIT");
  EXPECT_EQ(busy.said, Said{}) << "not together with the answer: libpq would take it for a notice";
  busy.ask("select 2");
  busy.world.loop.advance(100ms);
  EXPECT_EQ(busy.said, Said{"drained"});
  EXPECT_EQ(busy.world.connector.newest().queries.back(), "COMMIT")
      << "what it asks meanwhile is not executed";
}

TEST(Departure, IsNotToldBeforeItHasReadItsLastAnswer) {
  for (const bool at_rest : {true, false}) {
    Leaving it;
    it.ask(at_rest ? "select 1" : "BEGIN");
    it.client->lies_unread = true;
    it.departure->drain(Dismissal::shutting_down, 30s);
    if (!at_rest) it.ask("COMMIT");
    it.world.loop.advance(500ms);
    EXPECT_EQ(it.said, Said{}) << at_rest;
    it.client->lies_unread = false;
    it.world.loop.advance(20ms);
    EXPECT_EQ(it.said, Said{"drained"}) << at_rest;
  }
}

TEST(Departure, WhoNeverReadsItsLastAnswerIsToldAllTheSame) {
  Leaving drained;
  drained.client->lies_unread = true;
  drained.departure->drain(Dismissal::shutting_down, 30s);
  drained.world.loop.advance(1050ms);
  EXPECT_EQ(drained.said, Said{"drained"});

  Leaving rotated;
  rotated.bind();
  rotated.client->lies_unread = true;
  rotated.rotate(10s);
  rotated.world.loop.advance(9990ms);
  EXPECT_EQ(rotated.said, (Said{"forced: temporary_table", "rotation_forced"}))
      << "before its user is dropped";
}

TEST(Departure, TheFirstDismissalsReasonStays) {
  Leaving it;
  it.ask("BEGIN");
  it.departure->drain(Dismissal::policy_changed, 30s);
  it.departure->drain(Dismissal::shutting_down, 30s);
  it.departure->stop(Dismissal::shutting_down);
  EXPECT_EQ(it.said, Said{"policy_changed"});
  EXPECT_EQ(it.hint, "") << "who is not allowed need not come again";
}

TEST(Departure, AStopDoesNotWaitForABoundary) {
  Leaving it;
  it.ask("BEGIN");
  it.departure->stop(Dismissal::shutting_down);
  EXPECT_EQ(it.said, Said{"stopped"});
}

TEST(Departure, AStopAfterAGraceComesThenAndNotTwice) {
  Leaving it;
  it.ask("BEGIN");
  it.departure->stop_after(10s, Dismissal::policy_changed);
  it.departure->stop_after(30s, Dismissal::policy_changed);
  it.world.loop.advance(29s);
  EXPECT_EQ(it.said, Said{}) << "the later grace holds";
  it.world.loop.advance(1h);
  EXPECT_EQ(it.said, Said{"policy_changed"});
}

TEST(Departure, TheSameGraceGivenAgainBeginsWithTheFirst) {
  Leaving it;
  it.ask("BEGIN");
  it.departure->stop_after(10s, Dismissal::policy_changed);
  it.world.loop.advance(9s);
  it.departure->stop_after(10s, Dismissal::policy_changed);
  it.world.loop.advance(2s);
  EXPECT_EQ(it.said, Said{"policy_changed"});
}

TEST(Departure, AGraceForAnotherReasonBeginsWithThat) {
  Leaving it;
  it.ask("BEGIN");
  it.departure->stop_after(10s, Dismissal::policy_changed);
  it.world.loop.advance(9s);
  it.departure->stop_after(10s, Dismissal::shutting_down);
  it.world.loop.advance(9s);
  EXPECT_EQ(it.said, Said{});
  it.world.loop.advance(2s);
  EXPECT_EQ(it.said, Said{"stopped"});
}

TEST(Departure, AGraceThatIsShorterNowMayBeOverAlready) {
  Leaving it;
  it.ask("BEGIN");
  it.departure->stop_after(30s, Dismissal::policy_changed);
  it.world.loop.advance(9s);
  it.departure->stop_after(5s, Dismissal::policy_changed);
  it.world.loop.settle();
  EXPECT_EQ(it.said, Said{"policy_changed"});
}

TEST(Departure, AnEndingMovesTheSessionAndIsForgotten) {
  Leaving it;
  it.rotate();
  EXPECT_EQ(it.said, Said{"moved"});
  EXPECT_EQ(it.generation(), 2u);
  it.world.loop.advance(1h);
  it.departure->on_boundary();
  EXPECT_EQ(it.said, Said{"moved"});
}

TEST(Departure, EarlierGenerationsEndingsAreNotItsOwn) {
  Leaving it;
  it.rotate();
  it.end(1, 1s);
  it.world.loop.advance(10s);
  EXPECT_EQ(it.said, Said{"moved"});
}

TEST(Departure, WhatCannotMoveIsToldHalfASecondAhead) {
  Leaving it;
  it.bind();
  it.rotate(10s);
  it.world.loop.advance(9400ms);
  EXPECT_EQ(it.said, Said{});
  it.world.loop.advance(200ms);
  EXPECT_EQ(it.said, (Said{"forced: temporary_table", "rotation_forced"}));
}

TEST(Departure, AShortWarningLeavesFourFifthsForMoving) {
  Leaving it;
  it.bind();
  it.rotate(1s);
  it.world.loop.advance(790ms);
  EXPECT_EQ(it.said, Said{});
  it.world.loop.advance(20ms);
  EXPECT_EQ(it.said.size(), 2u);
}

TEST(Departure, ALaterEndDoesNotPutOffTheNearerOne) {
  Leaving it;
  it.bind();
  it.rotate(10s);
  it.end(2, 60s);
  it.world.loop.advance(10s);
  EXPECT_EQ(it.said, (Said{"forced: temporary_table", "rotation_forced"}));
}

TEST(Departure, ANearerEndBringsItForwardAndAsksAgain) {
  Leaving it;
  it.bind();
  it.rotate(60s);
  it.world.rotate();
  it.world.connector.backends.front()->state_row[3] = "0";
  it.end(2, 10s);
  EXPECT_EQ(it.said, Said{"moved"});
  EXPECT_EQ(it.generation(), 3u);
}

TEST(Departure, InATransactionItIsToldAtTheBoundaryBehindTheEnd) {
  Leaving it;
  it.world.connector.hold_logins = true;
  it.ask("BEGIN");
  it.rotate(10s);
  it.world.loop.advance(10s);
  EXPECT_EQ(it.said, Said{});
  it.ask("COMMIT");
  it.world.connector.release_one();
  it.world.loop.advance(20ms);
  EXPECT_EQ(it.said, (Said{"forced: no_connection", "rotation_forced"})) << "what comes now comes too late";
}

/// Near the end of its credential, without a new connection, at a boundary: its client is not heard.
void park(Leaving& it) {
  it.world.connector.hold_logins = true;
  it.rotate(10s);
  it.world.loop.advance(8600ms);
  it.ask("select 1");
}

/// How often servers have been given the question of a parked client.
long asked(const Leaving& it) {
  long count = 0;
  for (const auto& backend : it.world.connector.backends)
    count += std::count(backend->queries.begin(), backend->queries.end(), "select 1");
  return count;
}

TEST(Departure, WhoIsParkedIsHeardOnTheNewConnection) {
  Leaving it;
  park(it);
  ASSERT_EQ(asked(it), 0);
  it.world.connector.release_one();
  it.world.loop.settle();
  EXPECT_EQ(it.said, Said{"moved"});
  EXPECT_EQ(asked(it), 1);
  EXPECT_EQ(it.world.connector.newest().queries.back(), "select 1");
}

TEST(Departure, WhoIsParkedIsHeardAgainWhenItsMoveFails) {
  Leaving it;
  park(it);
  ASSERT_EQ(asked(it), 0);
  it.world.connector.failures.push_back(
      Error{ErrorCode::retry_later, Hop::tcp, "db", "connection refused", {}, {}});
  it.world.connector.release_one();
  it.world.loop.settle();
  EXPECT_EQ(asked(it), 1) << "its credential still holds";
  EXPECT_EQ(it.said, Said{});
  it.world.loop.advance(10s);
  EXPECT_EQ(it.said, (Said{"forced: no_connection", "rotation_forced"})) << "and no longer than that";
}

TEST(Departure, WhoIsParkedWaitsThroughTheDoubtOfWhenItsCredentialEnds) {
  for (const bool comes : {true, false}) {
    Leaving it;
    it.world.connector.hold_logins = true;
    it.world.rotate();
    it.end(1, 10s, 2s);
    it.world.loop.advance(8600ms);
    it.ask("select 1");
    it.world.loop.advance(3200ms);
    EXPECT_EQ(it.said, Said{});
    EXPECT_EQ(asked(it), 0);
    if (comes) it.world.connector.release_one();
    it.world.loop.advance(300ms);
    const auto expected = comes ? Said{"moved"} : Said{"forced: no_connection", "rotation_forced"};
    EXPECT_EQ(it.said, expected);
    EXPECT_EQ(asked(it), comes ? 1 : 0);
  }
}

TEST(Departure, TheDoubtIsNotForWhoCannotMove) {
  Leaving it;
  it.bind();
  it.world.rotate();
  it.end(1, 10s, 5s);
  it.world.loop.advance(10s);
  EXPECT_EQ(it.said, (Said{"forced: temporary_table", "rotation_forced"}));
}

TEST(Departure, WhoIsParkedIsHeardAgainWhenItIsFoundImmovable) {
  Leaving it;
  park(it);
  ASSERT_EQ(asked(it), 0);
  it.bind();
  it.world.connector.release_one();
  it.world.loop.settle();
  EXPECT_EQ(asked(it), 1);
  EXPECT_EQ(it.said, Said{});
  EXPECT_EQ(it.generation(), 1u);
}

TEST(Departure, WhoIsParkedIsHeardAgainWhenItsPinEnds) {
  Leaving it;
  park(it);
  ASSERT_EQ(asked(it), 0);
  it.departure->on_upstream_returned();
  it.world.loop.settle();
  EXPECT_EQ(asked(it), 1);
  it.world.loop.advance(20s);
  EXPECT_EQ(it.said, Said{}) << "the connection's end is no matter of this session's any more";
  EXPECT_EQ(it.world.pool->status().moving, 0u);
}

TEST(Departure, WhoIsParkedToTheEndIsToldAndNotHeard) {
  Leaving it;
  park(it);
  ASSERT_EQ(asked(it), 0);
  it.world.loop.advance(2s);
  EXPECT_EQ(it.said, (Said{"forced: no_connection", "rotation_forced"}));
  EXPECT_EQ(asked(it), 0) << "what it asked was not done";
}

TEST(Departure, ADrainWaitsForAMoveThatIsUnderWay) {
  Leaving it;
  it.world.connector.prepare = [](test::FakeBackend& backend) { backend.silent = true; };
  it.rotate();
  it.departure->drain(Dismissal::shutting_down, 30s);
  it.world.loop.settle();
  EXPECT_EQ(it.said, Said{}) << "its client's connection is between two servers";
  it.world.connector.newest().wire->push(test::row({"none"}) + test::ready() + test::ready());
  it.world.loop.settle();
  EXPECT_EQ(it.said, (Said{"moved", "drained"}));
}

TEST(Departure, WhoIsDismissedIsNotMovedAnyMore) {
  Leaving it;
  it.ask("BEGIN");
  it.departure->drain(Dismissal::shutting_down, 30s);
  it.rotate(10s);
  it.world.loop.advance(20s);
  EXPECT_EQ(it.said, Said{}) << "nor forced: the drain's boundary comes";
  EXPECT_EQ(it.generation(), 1u);
  it.ask("COMMIT");
  it.world.loop.advance(20ms);
  EXPECT_EQ(it.said, Said{"drained"});
}

TEST(Departure, WhatBeginsOnAnEndingCredentialHeedsIt) {
  Leaving it;
  it.bind();
  it.world.rotate();
  it.world.pool->note_ending(1, {it.world.loop.now().mono + 10s});
  it.departure->heed_ending();
  it.world.loop.advance(10s);
  EXPECT_EQ(it.said, (Said{"forced: temporary_table", "rotation_forced"}));
}

TEST(Departure, TheOldServersLossWhileAskedIsTheOwnersToTell) {
  Leaving it;
  it.world.connector.backends.front()->silent = true;
  it.rotate();
  it.world.connector.backends.front()->wire->close_write();
  it.world.loop.settle();
  EXPECT_EQ(it.said, Said{"server lost"});
}

TEST(Departure, GivenUpItSaysNothingMore) {
  Leaving it;
  it.bind();
  it.ask("BEGIN");
  it.rotate(10s);
  it.departure->stop_after(5s, Dismissal::shutting_down);
  it.departure->give_up();
  it.world.loop.advance(1h);
  EXPECT_EQ(it.said, Said{});
  EXPECT_EQ(it.world.pool->status().moving, 0u);
}

}  // namespace
}  // namespace sallyport::departure_test
