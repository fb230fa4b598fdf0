// Sessions that change their server connection, or are told that they cannot; draining and cancelling.
#include "broker/move_questions.h"
#include "test/broker/world.h"

#include <gtest/gtest.h>

namespace sallyport::move_test {
namespace {

using test::FakeClient;
using test::query;
using test::World;
using namespace std::chrono_literals;

/// A client on generation 1, whose successor is there; the first generation ends in `left`.
struct Rotated {
  explicit Rotated(const std::string& application_name = {}, std::string run_as = {})
      : world(World::small(), std::move(run_as)), client(world.enter(application_name)) {
    world.connector.prepare = prepare;
  }
  void ask(const std::string& sql) {
    client.wire->push(query(sql));
    world.loop.settle();
  }
  void rotate(Duration left = 10s) {
    world.rotate();
    world.ending(1, left);
  }
  test::FakeBackend& old() { return *world.connector.backends.front(); }
  test::FakeBackend& fresh() { return world.connector.newest(); }

  std::function<void(test::FakeBackend&)> prepare;
  World world;
  FakeClient client;
};

// The source is down, and the pool full: a login would bring what the session is to leave, to be closed at once and asked
// for again, as fast as the server answers.
TEST(Move, NobodyIsLoggedInWhileThereIsNoNewerCredential) {
  auto settings = World::small();
  settings.max = 1;
  World world{settings};
  auto client = world.enter();
  auto waits = world.open();
  waits.wire->push(World::hello());
  world.ending(1, 10s);
  EXPECT_TRUE(world.loop.settle());
  EXPECT_EQ(world.connector.requests.size(), 1u);
  world.rotate();
  EXPECT_TRUE(world.loop.advance(2s));
  EXPECT_EQ(world.moved, 1u);
  EXPECT_EQ(world.connector.requests.size(), 2u);
}

// A busy one would take the processors from the logins that the others wait for.
TEST(Move, WhoHasMovedWaitsForThoseWhoseTimeIsShort) {
  for (const bool comes : {true, false}) {
    Rotated it;
    auto other = it.world.enter();
    it.world.connector.hold_logins = true;
    it.world.rotate();
    const auto deadline = it.world.loop.now().mono + 1s;
    it.world.pool->note_ending(1, {deadline});
    it.world.ending(1, 1s);
    ASSERT_EQ(it.world.connector.held(), 1u) << "the first one tries the new credential";
    it.world.connector.release_one();
    it.world.loop.settle();
    ASSERT_EQ(it.world.moved, 1u);
    auto& moved = it.old().terminated ? it.client : other;
    moved.types();
    moved.wire->push(query("select 1"));
    it.world.loop.advance(300ms);
    EXPECT_EQ(moved.types(), "") << "the other has not moved";
    if (comes) {
      it.world.connector.release_one();
      it.world.loop.advance(30ms);
      EXPECT_EQ(it.world.moved, 2u);
    } else {
      it.world.loop.advance(730ms);
    }
    EXPECT_EQ(moved.types(), "DCZ") << comes;
  }
}

TEST(Move, ASessionWithMoreThanIsLookedAtStaysAndIsToldAtTheEnd) {
  Rotated it;
  it.ask("select 1");
  it.client.types();
  for (int i = 0; i < 2'001; ++i) it.old().settings.push_back({"a.b" + std::to_string(i), "x"});
  it.rotate(10s);
  EXPECT_EQ(it.world.moved, 0u);
  it.ask("select 2");
  EXPECT_EQ(it.client.types(), "DCZ") << "nothing of it has ended";
  it.world.loop.advance(10s);
  EXPECT_EQ(it.client.types(), "E");
  EXPECT_EQ(it.world.forced, std::vector<std::string>{"too_many_statements"});
}

// A statement that takes longer than two credentials live.
TEST(Move, ABusySessionDoesNotMoveToACredentialThatHasEndedMeanwhile) {
  Rotated it;
  it.ask("BEGIN");
  it.client.types();
  it.rotate(10s);
  ASSERT_EQ(it.world.connector.backends.size(), 2u);
  auto& second = it.fresh();
  it.world.rotate();
  it.world.ending(2, 10s);
  EXPECT_TRUE(second.terminated) << "it is kept for nobody";
  it.ask("COMMIT");
  EXPECT_EQ(it.client.types(), "CZ");
  EXPECT_EQ(it.world.moved, 1u);
  it.ask("select 1");
  EXPECT_EQ(it.fresh().queries.back(), "select 1");
  EXPECT_NE(&it.fresh(), &second);
  EXPECT_EQ(it.world.pool->status().in_use, 1u);
}

TEST(Move, AnIdleSessionMovesUnseen) {
  Rotated it;
  it.ask("select 1");
  it.client.types();
  it.rotate();
  EXPECT_EQ(it.world.moved, 1u);
  EXPECT_EQ(it.client.types(), "");
  EXPECT_TRUE(it.old().terminated);
  it.ask("select 2");
  EXPECT_EQ(it.client.types(), "DCZ");
  EXPECT_EQ(it.fresh().queries.back(), "select 2");
  EXPECT_EQ(it.world.pool->status().in_use, 1u);
}

TEST(Move, TheTrailSaysWhichServerProcessItIsFromNowOn) {
  Rotated it;
  it.rotate();
  const auto moves = it.world.sink.of(trail::EventKind::session_moved);
  ASSERT_EQ(moves.size(), 1u);
  const auto starts = it.world.sink.of(trail::EventKind::session_start);
  ASSERT_EQ(starts.size(), 1u);
  EXPECT_EQ(moves[0].session, starts[0].session);
  EXPECT_NE(moves[0].upstream_pid, starts[0].upstream_pid);
  EXPECT_GT(moves[0].generation, starts[0].generation);
}

TEST(Move, ATransactionEndsBeforeTheMove) {
  Rotated it;
  it.ask("BEGIN");
  it.rotate();
  EXPECT_EQ(it.world.moved, 0u);
  it.ask("select 1");
  EXPECT_EQ(it.world.moved, 0u);
  it.ask("COMMIT");
  EXPECT_EQ(it.world.moved, 1u);
  EXPECT_EQ(it.client.types(), "CZDCZCZ");
}

TEST(Move, SettingsAndStatementsAreRestored) {
  Rotated it;
  it.client.wire->push(test::parse("s1", "select 1") + test::parse("gone", "select 2") + test::sync());
  it.world.loop.settle();
  it.old().statements.erase("gone");  // by DEALLOCATE
  it.old().settings = {{"search_path", "it's"}, {"work_mem", "64kB"}};
  it.rotate();
  ASSERT_EQ(it.world.moved, 1u);
  EXPECT_EQ(it.fresh().queries,
            (std::vector<std::string>{"SELECT pg_catalog.set_config('search_path', 'it''s', false), "
                                      "pg_catalog.set_config('work_mem', '64kB', false)",
                                      "P:s1:select 1"}));
  EXPECT_EQ(it.client.types(), "11Z");
}

TEST(Move, TheClientHearsOfParametersThatDiffer) {
  Rotated it;
  it.world.connector.prepare = [](test::FakeBackend& backend) {
    backend.wire->push(test::parameter("TimeZone", "UTC"));
  };
  it.rotate();
  ASSERT_EQ(it.world.moved, 1u);
  EXPECT_EQ(it.client.types(), "S");
  EXPECT_EQ(it.client.text_of('S'), test::zero("TimeZone") + test::zero("UTC"));
}

TEST(Move, TheNameNotYetSetIsSetOnTheNewConnection) {
  Rotated it{"psql"};
  it.rotate();
  ASSERT_EQ(it.world.moved, 1u);
  it.ask("select 1");
  EXPECT_EQ(it.fresh().queries, (std::vector<std::string>{"SET application_name = 'psql'", "select 1"}));
  EXPECT_EQ(it.client.types(), "DCZ");
}

TEST(Move, EachReasonToStayIsNamed) {
  const std::pair<std::size_t, const char*> columns[] = {{0, "listen"},           {1, "advisory_lock"},
                                                         {2, "cursor"},           {3, "temporary_table"},
                                                         {4, "temporary_object"}, {5, "prepared_in_sql"}};
  for (const auto& [column, reason] : columns) {
    Rotated it;
    it.old().state_row[column] = "1";
    it.rotate(10s);
    EXPECT_EQ(it.world.moved, 0u) << reason;
    it.ask("select 1");
    EXPECT_EQ(it.client.types(), "DCZ") << "it goes on with its old connection";
    it.world.loop.advance(10s);
    EXPECT_EQ(it.world.forced, std::vector<std::string>{reason});
    EXPECT_EQ(it.client.types(), "E");
    EXPECT_NE(it.client.text_of('E').find("C57P01"), std::string::npos);
  }
}

TEST(Move, AnotherRoleOrUserStays) {
  const std::pair<std::size_t, const char*> columns[] = {{broker::move_role_column, "set_role"},
                                                         {broker::move_user_column, "session_authorization"}};
  for (const auto& [column, reason] : columns) {
    Rotated it;
    it.old().state_row[column] = "somebody";
    it.rotate(10s);
    it.world.loop.advance(10s);
    EXPECT_EQ(it.world.forced, std::vector<std::string>{reason});
  }
}

TEST(Move, WithRunAsTheRoleIsExpected) {
  Rotated it{{}, "owner"};
  it.old().state_row[broker::move_role_column] = "owner";
  it.rotate();
  EXPECT_EQ(it.world.moved, 1u);
}

// ALTER ROLE … SET role, as creation statements have it: the new connection has it, too.
TEST(Move, TheRoleThatEachConnectionBeginsWithIsExpected) {
  Rotated it;
  it.prepare = [](test::FakeBackend& backend) { backend.state_row[broker::move_role_column] = "owner"; };
  it.old().state_row[broker::move_role_column] = "owner";
  it.world.connector.prepare = it.prepare;
  it.rotate();
  EXPECT_EQ(it.world.moved, 1u);
  Rotated unset;
  unset.world.connector.prepare = it.prepare;
  unset.rotate(10s);
  unset.world.loop.advance(10s);
  EXPECT_EQ(unset.world.forced, std::vector<std::string>{"set_role"}) << "SET ROLE NONE";
}

TEST(Move, HiddenStateAndUnknownStatementsStay) {
  {
    Rotated it;
    it.ask("set a.b = 1");
    it.rotate(10s);
    it.world.loop.advance(10s);
    EXPECT_EQ(it.world.forced, std::vector<std::string>{"custom_setting"});
  }
  {
    Rotated it;
    it.old().statements.insert("whose");
    it.rotate(10s);
    it.world.loop.advance(10s);
    EXPECT_EQ(it.world.forced, std::vector<std::string>{"unknown_statement"});
  }
}

TEST(Move, ALongTextIsLookedAtAsAShortOneIs) {
  const auto insert = "insert into t values ('" + std::string(300'000, 'v') + "')";
  {
    Rotated it;
    it.ask(insert + "; set app.tenant = '7'");
    it.rotate(10s);
    it.world.loop.advance(10s);
    EXPECT_EQ(it.world.forced, std::vector<std::string>{"custom_setting"});
  }
  {
    Rotated it;
    it.ask(insert);
    it.rotate(10s);
    EXPECT_EQ(it.world.moved, 1u);
  }
}

TEST(Move, WhatCannotBeRestoredStays) {
  Rotated it;
  it.world.connector.prepare = [](test::FakeBackend& backend) { backend.refuse_restore = true; };
  it.client.wire->push(test::parse("s1", "select 1") + test::sync());
  it.world.loop.settle();
  it.rotate(10s);
  EXPECT_EQ(it.world.moved, 0u);
  it.ask("select 1");
  EXPECT_EQ(it.client.types(), "1ZDCZ");
  it.world.loop.advance(10s);
  EXPECT_EQ(it.world.forced, std::vector<std::string>{"not_restorable"});
}

TEST(Move, WithoutANewConnectionTheSessionIsToldAtItsLastBoundary) {
  Rotated it;
  it.world.connector.hold_logins = true;
  it.rotate(10s);
  it.ask("BEGIN");
  it.world.loop.advance(10s);
  EXPECT_TRUE(it.world.forced.empty()) << "never inside a transaction";
  EXPECT_EQ(it.client.types(), "CZ");
  it.ask("COMMIT");
  EXPECT_EQ(it.client.types(), "CZ");
  it.world.loop.advance(20ms);
  EXPECT_EQ(it.client.types(), "E");
  EXPECT_EQ(it.world.forced, std::vector<std::string>{"no_connection"});
}

TEST(Move, AFailedAttemptIsTriedAgain) {
  Rotated it;
  it.world.connector.failures.push_back(Error{ErrorCode::retry_later, Hop::tcp, "db", "refused", {}, {}});
  it.rotate();
  EXPECT_EQ(it.world.moved, 0u);
  it.world.loop.advance(3s);
  EXPECT_EQ(it.world.moved, 1u);
}

// The second ending moves the session before the failed attempt is to be tried again.
TEST(Move, AFailedAttemptIsForgottenOnceAnotherHasSucceeded) {
  Rotated it;
  it.world.connector.failures.push_back(Error{ErrorCode::retry_later, Hop::tcp, "db", "refused", {}, {}});
  it.world.rotate();
  it.world.rotate();
  it.world.ending(1, 60s);
  EXPECT_EQ(it.world.moved, 0u);
  it.world.ending(2, 30s);
  ASSERT_EQ(it.world.moved, 1u);
  it.world.loop.advance(1s);
  EXPECT_EQ(it.world.pool->status().waiting, 0u) << "nobody makes a later generation";
}

TEST(Move, TheOldServersDeathWhileAskedEndsTheSessionInItsProtocol) {
  Rotated it;
  it.old().silent = true;
  it.rotate();
  EXPECT_EQ(it.world.moved, 0u);
  it.old().wire->close_write();
  it.world.loop.settle();
  EXPECT_EQ(it.client.types(), "E");
  EXPECT_NE(it.client.text_of('E').find("C57P01"), std::string::npos);
  it.client.wire->close_write();
  it.world.loop.settle();
  EXPECT_EQ(it.world.sessions(), 0u);
  EXPECT_EQ(it.world.pool->status().in_use, 0u);
}

TEST(Move, AnOldServerThatDoesNotAnswerIsGivenUp) {
  Rotated it;
  it.old().silent = true;
  it.rotate(60s);
  it.world.loop.advance(6s);
  EXPECT_EQ(it.client.types(), "E");
}

TEST(Move, TheNewServersDeathLeavesTheSessionWhereItWas) {
  Rotated it;
  it.world.connector.prepare = [](test::FakeBackend& backend) { backend.silent = true; };
  it.rotate(60s);
  EXPECT_EQ(it.world.moved, 0u);
  it.world.connector.prepare = nullptr;
  it.fresh().wire->close_write();
  it.world.loop.settle();
  it.ask("select 1");
  EXPECT_EQ(it.client.types(), "DCZ");
  it.world.loop.advance(2s);
  EXPECT_EQ(it.world.moved, 1u) << "tried again";
}

TEST(Move, WhatTheClientSendsMeanwhileIsAnsweredByTheNewServer) {
  Rotated it;
  it.old().silent = true;
  it.rotate(60s);
  it.ask("select 1");
  EXPECT_EQ(it.client.types(), "");
  EXPECT_EQ(it.old().queries.back().substr(0, 2), "P:");
  // The old server's answers, late.
  std::string answers = test::frame('1') + test::frame('2') + test::row(it.old().state_row) +
                        test::complete("SELECT 1") + test::frame('3');
  for (int i = 0; i < 2; ++i) {
    answers += test::frame('1') + test::frame('2') + test::complete("SELECT 0") + test::frame('3');
  }
  for (const auto byte : answers + test::ready()) {
    it.old().wire->push(std::string(1, byte));
    it.world.loop.settle();
  }
  EXPECT_EQ(it.world.moved, 1u);
  EXPECT_EQ(it.client.types(), "DCZ");
  EXPECT_EQ(it.fresh().queries.back(), "select 1");
}

TEST(Move, NotificationsAndNoticesDuringTheQuestionsReachTheClient) {
  Rotated it;
  it.old().wire->push(test::frame('N', "n"));
  it.old().silent = true;
  it.rotate(60s);
  it.old().wire->push(test::frame('A', "note") + test::parameter("x", "y"));
  it.world.loop.settle();
  EXPECT_EQ(it.client.types(), "NAS");
}

// The new server's first bytes may end the session from within the mover.
TEST(Move, AClientThatLeavesDuringTheMoveEndsIt) {
  Rotated it;
  it.old().silent = true;
  it.rotate(60s);
  it.client.wire->push(test::frame('X'));
  it.client.wire->close_write();
  it.world.loop.settle();
  it.old().silent = false;
  std::string answers = test::frame('1') + test::frame('2') + test::row(it.old().state_row) +
                        test::complete("SELECT 1") + test::frame('3');
  for (int i = 0; i < 2; ++i) {
    answers += test::frame('1') + test::frame('2') + test::complete("SELECT 0") + test::frame('3');
  }
  it.old().wire->push(answers + test::ready());
  it.world.loop.settle();
  it.world.loop.advance(10s);
  EXPECT_EQ(it.world.sessions(), 0u);
  EXPECT_EQ(it.world.pool->status().in_use, 0u);
}

TEST(Move, ANewServerThatClosesAtTheHandOverEndsTheSession) {
  Rotated it;
  it.world.connector.prepare = [](test::FakeBackend& backend) {
    backend.wire->on_sent = [&backend] {
      backend.wire->take();
      backend.wire->push(test::ready());
      backend.wire->close_write();
    };
  };
  it.rotate(60s);
  it.world.loop.settle();
  EXPECT_EQ(it.world.sessions(), 1u);
  it.client.wire->close_write();
  it.world.loop.advance(1s);
  EXPECT_EQ(it.world.sessions(), 0u);
  EXPECT_EQ(it.world.pool->status().in_use, 0u);
}

TEST(Move, ASessionStoppedInAnyStateOfItsMoveLeavesNothingBehind) {
  for (int state = 0; state < 4; ++state) {
    Rotated it;
    if (state == 0) it.world.connector.hold_logins = true;
    if (state == 1) it.ask("BEGIN");
    if (state == 2) it.old().silent = true;
    if (state == 3) it.world.connector.prepare = [](test::FakeBackend& backend) { backend.silent = true; };
    it.rotate(60s);
    EXPECT_EQ(it.world.moved, 0u);
    it.client.session->stop();
    it.client.wire->close_write();
    it.world.loop.settle();
    it.world.connector.hold_logins = false;
    while (it.world.connector.held() > 0) it.world.connector.release_one();
    it.world.loop.advance(20s);
    EXPECT_EQ(it.world.sessions(), 0u) << state;
    EXPECT_EQ(it.world.pool->status().in_use, 0u) << state;
    EXPECT_EQ(it.world.pool->status().waiting, 0u) << state;
  }
}

TEST(Move, DrainDuringAMoveEndsTheIdleSessionAfterIt) {
  Rotated it;
  it.world.connector.prepare = [](test::FakeBackend& backend) { backend.silent = true; };
  it.rotate(60s);
  it.client.session->drain();
  it.world.loop.settle();
  EXPECT_EQ(it.client.types(), "");
  it.fresh().wire->push(test::row({"none"}) + test::ready() + test::ready());
  it.world.loop.settle();
  EXPECT_EQ(it.world.moved, 1u);
  EXPECT_EQ(it.client.types(), "E");
}

TEST(Move, TheForcedEndComesAlsoWhenAMoveFailsAfterIt) {
  Rotated it;
  it.world.connector.prepare = [](test::FakeBackend& backend) { backend.silent = true; };
  it.rotate(3s);
  it.world.loop.advance(3s);
  EXPECT_EQ(it.client.types(), "") << "the move is under way";
  it.fresh().wire->close_write();
  it.world.loop.settle();
  EXPECT_EQ(it.client.types(), "E");
}

// ---- drain and stop ------------------------------------------------------------------------------

TEST(Drain, AnIdleSessionEndsAtOnceABusyOneAfterItsTransaction) {
  World world;
  auto idle = world.enter(), busy = world.enter();
  busy.wire->push(query("BEGIN"));
  world.loop.settle();
  busy.types();
  idle.session->drain();
  busy.session->drain();
  world.loop.settle();
  EXPECT_EQ(idle.types(), "E");
  EXPECT_NE(idle.text_of('E').find("C57P01"), std::string::npos);
  EXPECT_EQ(busy.types(), "");
  busy.wire->push(query("COMMIT"));
  world.loop.settle();
  EXPECT_EQ(busy.types(), "CZ");
  world.loop.advance(100ms);
  EXPECT_EQ(busy.types(), "E");
  EXPECT_EQ(world.pool->status().in_use, 0u);
}

TEST(Stop, WhatTheServerIsDoingForItIsCancelled) {
  World world;
  auto busy = world.enter(), idle = world.enter();
  world.connector.backends.front()->silent = true;
  busy.wire->push(query("SELECT pg_sleep(60)"));
  world.loop.settle();
  busy.session->stop(broker::Dismissal::policy_changed);
  idle.session->stop(broker::Dismissal::policy_changed);
  world.loop.settle();
  ASSERT_EQ(world.connector.cancels.size(), 1u) << "closing a connection does not stop a statement";
  EXPECT_EQ(world.connector.cancels[0].pid, world.connector.backends.front()->pid);
  EXPECT_EQ(busy.types(), "E");
  EXPECT_EQ(world.pool->status().in_use, 0u);
}

TEST(Drain, AClientThatWaitsIsRefused) {
  World world;
  world.connector.hold_logins = true;
  auto client = world.open();
  client.wire->push(World::hello());
  world.loop.settle();
  client.session->drain();
  world.loop.settle();
  EXPECT_EQ(client.types(), "E");
  EXPECT_NE(client.text_of('E').find("C57P03"), std::string::npos);
  client.wire->close_write();
  world.loop.settle();
  world.connector.release_one();
  world.loop.settle();
  EXPECT_EQ(world.pool->status().in_use, 0u);
}

// ---- cancel --------------------------------------------------------------------------------------

std::string cancel_request(std::int32_t pid, const std::string& key) {
  return test::big_endian(static_cast<std::uint32_t>(12 + key.size())) + test::big_endian(80877102) +
         test::big_endian(static_cast<std::uint32_t>(pid)) + key;
}
std::string key_of(const World& world) {
  for (const auto& message : world.greeting) {
    if (message.type == 'K') return message.body.substr(4);
  }
  return {};
}

TEST(Cancel, TheOwnersReachesItsServerWithTheServersKey) {
  World world;
  auto client = world.enter();
  auto canceller = world.open();
  canceller.wire->push(cancel_request(100, key_of(world)));
  world.loop.settle();
  ASSERT_EQ(world.connector.cancels.size(), 1u);
  EXPECT_EQ(world.connector.cancels[0].pid, 100);
  EXPECT_EQ(world.connector.cancels[0].key, (std::vector<std::uint8_t>{1, 2, 3, 4}));
  EXPECT_TRUE(canceller.wire->broker_gone());
  EXPECT_EQ(canceller.wire->take(), "");
}

TEST(Cancel, ItsConnectionStaysOpenUntilTheServerHasActed) {
  World world;
  auto client = world.enter();
  world.connector.hold_cancels = true;
  auto canceller = world.open();
  canceller.wire->push(cancel_request(100, key_of(world)));
  world.loop.settle();
  EXPECT_FALSE(canceller.wire->broker_gone());
  world.connector.held_cancels.front()({});
  world.loop.settle();
  EXPECT_TRUE(canceller.wire->broker_gone());
}

TEST(Cancel, ASlowOneIsNoDeniedLogin) {
  World world;
  auto client = world.enter();
  world.connector.hold_cancels = true;
  auto first = world.open();
  first.wire->push(cancel_request(100, key_of(world)));
  world.loop.advance(9s);
  auto joined = world.open();
  joined.wire->push(cancel_request(100, key_of(world)));
  world.loop.advance(1s);
  const auto fail_one = [&world] {
    auto held = std::move(world.connector.held_cancels.front());
    world.connector.held_cancels.pop_front();
    held({Error{ErrorCode::timed_out, Hop::tcp, "db", "no answer within 10 s", {}, {}}, true});
    world.loop.settle();
  };
  fail_one();
  EXPECT_TRUE(first.wire->broker_gone());
  world.loop.advance(10s);
  EXPECT_FALSE(joined.wire->broker_gone()) << "it waited for the first, and now for its own";
  fail_one();
  EXPECT_TRUE(joined.wire->broker_gone());
  EXPECT_TRUE(world.sink.of(trail::EventKind::session_denied).empty());
  EXPECT_EQ(joined.wire->take(), "");
}

TEST(Cancel, AConnectionThatOneMayReachLateIsItsSessionsToTheEndAndThenClosed) {
  World world;
  auto client = world.enter();
  world.connector.hold_cancels = true;
  client.session->cancel_query([] {});
  world.connector.held_cancels.front()(
      {Error{ErrorCode::timed_out, Hop::login, "db", "no answer within 10 s", {}, {}}, true});
  client.wire->push(test::query("select 1"));
  world.loop.settle();
  EXPECT_EQ(client.types(), "DCZ");
  client.wire->push(test::frame('X'));
  world.loop.settle();
  EXPECT_TRUE(world.connector.newest().wire->broker_gone());
  EXPECT_EQ(world.pool->status().ready, 0u);
}

TEST(Cancel, OneThatIsNeverAnsweredIsLetGoWithWordsOfItsOwn) {
  World world;
  auto client = world.enter();
  world.connector.hold_cancels = true;
  auto canceller = world.open();
  canceller.wire->push(cancel_request(100, key_of(world)));
  world.loop.settle();
  canceller.session->drain();
  EXPECT_EQ(canceller.wire->take(), "") << "PostgreSQL never answers a cancel";
  world.loop.advance(26s);
  EXPECT_TRUE(canceller.wire->broker_gone());
  EXPECT_EQ(world.logger.lines.back(), "a cancel was not answered; its client is let go");
  EXPECT_TRUE(world.sink.of(trail::EventKind::session_denied).empty());
}

TEST(Cancel, ARightKeyInOtherHandsIsASecurityEventThatNamesBoth) {
  World world;
  auto client = world.enter();
  const auto key = key_of(world);
  auto second = world.enter();
  const auto second_key = key_of(world);
  world.open().wire->push(cancel_request(100, "abcd"));
  world.open().wire->push(cancel_request(100, key));
  world.loop.settle();
  const auto told = [&world] { return world.sink.of(trail::EventKind::security); };
  EXPECT_TRUE(told().empty()) << "a guess, and the owner's own";

  world.prover->peer = {815, 1001, 1001, "/usr/bin/thief"};
  const auto steal = [&world](std::int32_t pid, const std::string& with) {
    auto thief = world.open();
    thief.wire->push(cancel_request(pid, with));
    world.loop.settle();
    EXPECT_TRUE(thief.wire->broker_gone());
    EXPECT_EQ(thief.wire->take(), "");
  };
  for (int i = 0; i < 6; ++i) steal(100, key);
  ASSERT_EQ(told().size(), 1u) << "a flood of them fills nothing";
  const auto event = told().back();
  EXPECT_EQ(event.result, "cancel_refused");
  EXPECT_EQ(event.session, client.session->id());
  EXPECT_EQ(event.route + " " + event.target + " " + event.role, "route db app");
  EXPECT_EQ(event.reason, "a cancel with this session's key was refused: it is another account's");
  EXPECT_EQ(event.verified, (std::map<std::string, std::string>{
                                {"uid", "1001"}, {"pid", "815"}, {"executable", "/usr/bin/thief"}}));
  EXPECT_EQ(world.logger.lines.back(), event.reason);

  steal(101, second_key);
  ASSERT_EQ(told().size(), 2u) << "what is done to another session is not covered by that";
  EXPECT_EQ(told().back().session, second.session->id());
  world.loop.advance(61s);
  steal(100, key);
  ASSERT_EQ(told().size(), 3u);
  EXPECT_NE(told().back().reason.find("; before that 5 that were not told"), std::string::npos);
  EXPECT_EQ(world.connector.cancels.size(), 1u);
}

TEST(Cancel, AWrongKeyAnotherUserAnotherRouteDoNothingAndAreToldNothing) {
  World world;
  auto client = world.enter();
  const auto key = key_of(world);
  auto guess = world.open();
  guess.wire->push(cancel_request(100, "abcd"));
  world.loop.settle();
  EXPECT_EQ(guess.wire->take(), "");
  EXPECT_TRUE(guess.wire->broker_gone());

  world.prover->peer.uid = 1001;
  auto stranger = world.open();
  stranger.wire->push(cancel_request(100, key));
  world.loop.settle();
  EXPECT_TRUE(stranger.wire->broker_gone());
  world.prover->peer.uid = 1000;

  auto other = std::make_shared<broker::RouteRuntime>(*world.route);
  other->route.name = "another";
  auto elsewhere = world.open(other);
  elsewhere.wire->push(cancel_request(100, key));
  world.loop.settle();
  EXPECT_TRUE(elsewhere.wire->broker_gone());
  EXPECT_TRUE(world.connector.cancels.empty());
}

TEST(Cancel, ALateOneNeverHitsTheNextSession) {
  auto settings = World::small();
  settings.max = 1;
  World world{settings};
  auto client = world.enter();
  world.connector.hold_cancels = true;
  auto canceller = world.open();
  canceller.wire->push(cancel_request(100, key_of(world)));
  world.loop.settle();
  client.wire->push(test::frame('X'));
  client.wire->close_write();
  world.loop.settle();
  auto next = world.open();
  next.wire->push(World::hello());
  world.loop.settle();
  EXPECT_EQ(next.types(), "") << "the connection is kept back while the cancel is under way";
  world.connector.held_cancels.front()({});
  world.loop.settle();
  EXPECT_EQ(next.types(), "RSSKZ");
}

TEST(Cancel, TheKeyOfAnEndedSessionIsForgottenEvenWithoutAPid) {
  World world;
  world.connector.pid = 0;
  auto client = world.enter();
  const auto key = key_of(world);
  client.wire->push(test::frame('X'));
  client.wire->close_write();
  world.loop.settle();
  ASSERT_EQ(world.sessions(), 0u);
  auto canceller = world.open();
  canceller.wire->push(cancel_request(0, key));
  world.loop.settle();
  EXPECT_TRUE(world.connector.cancels.empty());
}

TEST(Cancel, TheKeySurvivesAMove) {
  Rotated it;
  const auto key = key_of(it.world);
  it.rotate();
  ASSERT_EQ(it.world.moved, 1u);
  auto canceller = it.world.open();
  canceller.wire->push(cancel_request(100, key));
  it.world.loop.settle();
  ASSERT_EQ(it.world.connector.cancels.size(), 1u);
  EXPECT_EQ(it.world.connector.cancels[0].pid, it.fresh().pid);
}

TEST(Cancel, AMoveWaitsForACancelUnderWay) {
  Rotated it;
  it.world.connector.hold_cancels = true;
  auto canceller = it.world.open();
  canceller.wire->push(cancel_request(100, key_of(it.world)));
  it.world.loop.settle();
  it.rotate();
  EXPECT_EQ(it.world.moved, 0u);
  it.world.connector.held_cancels.front()({});
  it.world.loop.settle();
  EXPECT_EQ(it.world.moved, 1u);
}

/// A route over TCP with a run token, and a client of uid 1000 that is let in without the token's dialogue.
struct Hurried {
  Hurried() {
    world.enter();
    key = key_of(world);
    auto made = std::make_shared<broker::RouteRuntime>(*world.route);
    made->run_token.emplace();
    tcp = made;
    world.prover->refusal = Error{ErrorCode::not_found, Hop::identity, "peer process", "has closed", {}, {}};
  }
  /// A cancel whose sender has hung up before it could be looked up; `uid`: as seen at accept.
  void cancel(const std::string& with, std::uint32_t uid = broker::Doorstep::unknown_uid) {
    world.open(tcp, uid).wire->push(cancel_request(100, with));
    world.loop.settle();
  }
  World world;
  std::string key;
  std::shared_ptr<const broker::RouteRuntime> tcp;
};

TEST(Cancel, GuessesOfOthersThatHangUpDoNotKeepTheRightKeyOut) {
  Hurried it;
  for (unsigned i = 0; i < 2 * broker::CancelMap::misses_per_second_max; ++i) it.cancel("abcd");
  it.cancel(it.key);
  EXPECT_EQ(it.world.connector.cancels.size(), 1u);
}

TEST(Cancel, OfOneThatHasHungUpComesFromTheOwnersUidIfThatWasSeen) {
  Hurried it;
  it.cancel(it.key, 1001);
  EXPECT_TRUE(it.world.connector.cancels.empty());
  it.cancel(it.key, 1000);
  EXPECT_EQ(it.world.connector.cancels.size(), 1u);
}

TEST(CancelMap, GuessesAreLimitedPerSecondForTheUidThatMakesThem) {
  World world;
  auto client = world.enter();
  const auto key = key_of(world);
  const auto bytes = as_bytes(key);
  const auto now = world.loop.now().mono;
  for (unsigned i = 0; i < broker::CancelMap::misses_per_second_max; ++i) {
    EXPECT_EQ(world.cancels.find(100, as_bytes("abcd"), now, 1000), nullptr);
  }
  EXPECT_EQ(world.cancels.find(100, bytes, now, 1000), nullptr);
  EXPECT_EQ(world.cancels.find(100, bytes, now, 1001), client.session)
      << "another's guesses are not held against it";
  EXPECT_EQ(world.cancels.find(100, bytes, now + 1100ms, 1000), client.session);
}

TEST(Cancel, WhoJoinedOneIsAnsweredWhenTheSessionEnds) {
  World world;
  world.connector.hold_cancels = true;
  auto client = world.enter();
  bool first = false, second = false;
  client.session->cancel_query([&] { first = true; });
  client.session->cancel_query([&] { second = true; });
  client.wire->close_write();
  world.loop.settle();
  EXPECT_FALSE(world.alive(client));
  EXPECT_TRUE(second) << "there is nothing left to cancel";
  EXPECT_FALSE(first);
  world.connector.held_cancels.front()({});
  EXPECT_TRUE(first);
}

}  // namespace
}  // namespace sallyport::move_test
