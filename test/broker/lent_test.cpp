// Transaction pooling: whose connection it is when, what is restored on it, what pins a session to it.
#include "test/broker/world.h"

#include <gtest/gtest.h>

namespace sallyport::lent_test {
namespace {

using test::FakeClient;
using test::query;
using test::World;
using namespace std::chrono_literals;

PoolSettings transaction(std::size_t max = 1) {
  auto settings = World::small();
  settings.mode = PoolMode::transaction;
  settings.max = max;
  return settings;
}

struct Lent {
  explicit Lent(PoolSettings settings = transaction()) : world(settings) {}
  std::string ask(FakeClient& client, const std::string& sql) {
    client.wire->push(query(sql));
    world.loop.settle();
    return client.types();
  }
  [[nodiscard]] std::size_t in_use() const { return world.pool->status().in_use; }
  test::FakeBackend& server() { return world.connector.newest(); }
  World world;
};

TEST(Lent, ManyClientsShareOneConnection) {
  Lent it;
  std::vector<FakeClient> clients;
  for (int i = 0; i < 10; ++i) clients.push_back(it.world.enter());
  EXPECT_EQ(it.in_use(), 0u);
  for (auto& client : clients) EXPECT_EQ(it.ask(client, "select 1"), "DCZ");
  EXPECT_EQ(it.world.connector.backends.size(), 1u);
  EXPECT_EQ(it.in_use(), 0u);
}

TEST(Lent, ATransactionKeepsItAndTheNextClientWaitsForItsEnd) {
  Lent it;
  auto a = it.world.enter(), b = it.world.enter();
  it.ask(a, "BEGIN");
  EXPECT_EQ(it.in_use(), 1u);
  EXPECT_EQ(it.ask(b, "select 2"), "");
  EXPECT_EQ(it.world.pool->status().waiting, 1u);
  it.ask(a, "COMMIT");
  EXPECT_EQ(b.types(), "DCZ");
  EXPECT_EQ(it.in_use(), 0u);
}

TEST(Lent, ATransactionLastsFromItsFirstRequestToItsLastAnswerWithoutTheWaitForAConnection) {
  for (const auto mode : {PoolMode::transaction, PoolMode::session}) {
    auto settings = transaction();
    settings.mode = mode;
    Lent it{settings};
    auto a = it.world.enter();
    it.ask(a, "BEGIN");
    it.world.loop.advance(3s);
    EXPECT_EQ(it.world.pool->status().transaction.count(), 0u);
    auto b = it.world.enter();
    it.ask(b, "select 2");  // waits
    it.world.loop.advance(1s);
    it.ask(a, "COMMIT");
    if (mode == PoolMode::session) {
      a.wire->push(test::frame('X'));
      it.world.loop.settle();
    }
    EXPECT_EQ(it.world.pool->status().transaction.count(), 2u);
    EXPECT_EQ(it.world.pool->status().transaction.sum_us(), 4'000'000u);
  }
}

TEST(Lent, WhoLeavesInATransactionTakesTheConnectionAlong) {
  Lent it;
  auto a = it.world.enter(), b = it.world.enter();
  it.ask(a, "BEGIN");
  a.wire->push(test::frame('X'));
  it.world.loop.settle();
  EXPECT_EQ(it.ask(b, "select 1"), "DCZ");
  EXPECT_EQ(it.world.connector.backends.size(), 2u);
}

TEST(Lent, WhatAClientLeftHalfSaidIsNotFinishedByOurFarewell) {
  Lent it;
  auto a = it.world.enter();
  it.ask(a, "BEGIN");
  const auto half = test::execute().substr(0, 6);
  a.wire->push(half);
  it.world.loop.settle();
  a.wire->close_write();
  it.world.loop.settle();
  EXPECT_EQ(it.server().unparsed, half) << "a Terminate would have been its rest";
  EXPECT_TRUE(it.server().wire->broker_gone());
}

TEST(Lent, AFarewellNeedsNoConnection) {
  Lent it;
  auto a = it.world.enter(), b = it.world.enter();
  it.ask(a, "BEGIN");
  b.wire->push(test::frame('X'));
  it.world.loop.settle();
  EXPECT_EQ(it.world.sink.of(trail::EventKind::session_end).size(), 1u);
  EXPECT_EQ(it.world.pool->status().waiting, 0u);
}

TEST(Lent, ReportedParametersFollowTheirSession) {
  Lent it;
  auto a = it.world.enter("a"), b = it.world.enter("b");
  it.ask(a, "select 1");
  EXPECT_NE(it.server().queries.front().find("'application_name', 'a'"), std::string::npos);
  const auto before = it.server().queries.size();
  it.ask(a, "select 2");
  EXPECT_EQ(it.server().queries.size(), before + 1) << "nothing differs: nothing is restored";
  EXPECT_EQ(it.ask(b, "select 3"), "DCZ") << "what restores is not seen";
  EXPECT_NE(it.server().queries[before + 1].find("'application_name', 'b'"), std::string::npos);
}

// A search_path of many schemas; PostgreSQL 18 reports it.
TEST(Lent, AReportedParameterIsFollowedHoweverLongItIs) {
  for (const std::size_t bytes : {std::size_t{100}, std::size_t{2'000}, std::size_t{20'000}}) {
    const std::string path(bytes, 'p');
    Lent it;
    it.world.connector.dress = [](broker::Connected& connected) {
      connected.greeting.parameters.emplace_back("search_path", "public");
    };
    it.world.connector.prepare = [&path](test::FakeBackend& backend) {
      backend.own_answer = [&backend, &path](const std::string& sql) -> std::optional<std::string> {
        if (sql != "SET search_path = long") return std::nullopt;
        return backend.tell("search_path", path) + test::complete("SET") + test::ready();
      };
    };
    auto a = it.world.enter(), b = it.world.enter();
    EXPECT_EQ(it.ask(a, "SET search_path = long"), "SCZ");
    if (bytes > 16'384) {
      EXPECT_EQ(it.in_use(), 1u) << "more than can be followed stays with its session";
      continue;
    }
    EXPECT_EQ(it.in_use(), 0u);
    EXPECT_EQ(it.ask(b, "select 1"), "DCZ");
    const auto& queries = it.server().queries;
    ASSERT_EQ(queries.size(), 3u) << bytes;
    EXPECT_NE(queries[1].find("'search_path', 'public'"), std::string::npos)
        << "not as the other one left it";
  }
}

TEST(Lent, AnUnnamedStatementOutlivesWhatIsRestoredForOthersOnItsConnection) {
  Lent it;
  auto a = it.world.enter("a"), b = it.world.enter("b");
  const auto say = [&it](FakeClient& client, const std::string& frames) {
    client.wire->push(frames + test::frame('S'));
    it.world.loop.settle();
    return client.types();
  };
  EXPECT_EQ(say(a, test::parse("", "select 1")), "1Z");
  EXPECT_EQ(say(b, test::parse("s", "select 2") + test::frame('B', std::string{"\0s\0\0\0\0\0\0\0", 9}) +
                       test::execute()),
            "12DCZ");
  EXPECT_EQ(say(a, test::bind() + test::execute()), "2DCZ");
}

TEST(Lent, TheServerIsAskedForTheUsersSettingsBehindALoginOnly) {
  Lent it;
  auto a = it.world.enter(), b = it.world.enter();
  for (int i = 0; i < 5; ++i) {
    it.ask(a, "select 1");
    it.world.loop.advance(2s);
    it.ask(b, "select 1");
  }
  EXPECT_EQ(it.server().role_settings_asked, 1u);
}

TEST(Lent, ACancelUnderWayDoesNotMeetOurQuestionWhatIsLeftBehind) {
  auto settings = transaction();
  settings.verify_session_state = VerifySessionState::always;
  Lent it{settings};
  it.world.connector.hold_cancels = true;
  auto a = it.world.enter();
  it.ask(a, "BEGIN");
  a.session->cancel_query([] {});
  EXPECT_EQ(it.ask(a, "COMMIT"), "CZ");
  EXPECT_EQ(it.server().queries.back(), "COMMIT") << "the question waits for the cancel";
  EXPECT_EQ(it.in_use(), 1u);
  it.world.connector.held_cancels.front()({});
  it.world.loop.settle();
  EXPECT_NE(it.server().queries.back(), "COMMIT");
  EXPECT_EQ(it.in_use(), 0u);
}

TEST(Lent, AQuestionThatTheServerRefusesCostsAResetAndNotTheSession) {
  auto settings = transaction();
  settings.verify_session_state = VerifySessionState::always;
  Lent it{settings};
  it.world.connector.prepare = [](test::FakeBackend& backend) { backend.refuse_state_question = true; };
  auto a = it.world.enter();
  EXPECT_EQ(it.ask(a, "select 1"), "DCZ");
  EXPECT_EQ(it.server().queries.back(), "DISCARD ALL");
  EXPECT_EQ(it.ask(a, "select 2"), "DCZ");
  EXPECT_EQ(it.in_use(), 0u);
}

// The client is not heard while we speak, so nobody would notice that it has gone either.
TEST(Lent, AServerThatDoesNotAnswerWhatWeSayHoldsNobodyForLong) {
  for (const std::string ours : {"SELECT pg_catalog.set_config(", "SELECT (SELECT"}) {
    auto settings = transaction();
    if (ours == "SELECT (SELECT") settings.verify_session_state = VerifySessionState::always;
    Lent it{settings};
    it.world.connector.prepare = [&ours](test::FakeBackend& backend) {
      backend.own_answer = [&ours](const std::string& sql) {
        return sql.starts_with(ours) ? std::optional<std::string>{""} : std::nullopt;
      };
    };
    auto a = it.world.enter("a");
    it.ask(a, "select 1");
    EXPECT_EQ(it.in_use(), 1u) << ours;
    a.wire->close_write();
    it.world.loop.advance(16s);
    EXPECT_EQ(it.in_use(), 0u) << ours;
    EXPECT_EQ(it.world.sessions(), 0u) << ours;
    EXPECT_TRUE(it.server().wire->broker_gone()) << ours;
  }
}

TEST(Lent, TheNameThatASessionStartedWithComesBackAfterReset) {
  Lent it;
  auto a = it.world.enter("a");
  EXPECT_EQ(it.ask(a, "RESET ALL"), "CSZS") << "the server's answer, then what the name is again";
  EXPECT_EQ(it.in_use(), 0u);
  it.ask(a, "select 1");
  const auto& queries = it.server().queries;
  EXPECT_NE(queries[queries.size() - 2].find("'application_name', 'a'"), std::string::npos);
}

TEST(Lent, WithinATransactionTheNameComesBackBeforeAnythingElse) {
  Lent it;
  auto a = it.world.enter("a");
  it.ask(a, "BEGIN");
  EXPECT_EQ(it.ask(a, "RESET ALL"), "CSZS");
  EXPECT_EQ(it.ask(a, "select 1"), "DCZ");
  const auto& queries = it.server().queries;
  EXPECT_EQ(queries[queries.size() - 2], "SET application_name = 'a'");
  EXPECT_EQ(it.ask(a, "COMMIT"), "CZ");
  EXPECT_EQ(it.in_use(), 0u);
}

TEST(Lent, AParameterThatCannotBeRestoredEndsTheSessionAndNotInAnotherOnesState) {
  Lent it;
  it.world.connector.prepare = [](test::FakeBackend& backend) { backend.refuse_restore = true; };
  auto a = it.world.enter("a");
  EXPECT_EQ(it.ask(a, "select 1").find('D'), std::string::npos);
  for (const auto& sql : it.server().queries) EXPECT_NE(sql, "select 1");
}

TEST(Lent, StateThatSqlShowsPinsAndDiscardAllUnpins) {
  Lent it{transaction(2)};
  auto a = it.world.enter();
  it.ask(a, "LISTEN x");
  EXPECT_EQ(it.in_use(), 1u);
  it.ask(a, "DISCARD ALL");
  EXPECT_EQ(it.in_use(), 0u);
}

TEST(Lent, AConnectionOnWhichDblinkWasUsedIsForNobodyElse) {
  for (const bool says_farewell : {true, false}) {
    Lent it;
    auto a = it.world.enter(), b = it.world.enter();
    it.ask(a, "SELECT dblink_connect('far', 'host=elsewhere')");
    EXPECT_EQ(it.in_use(), 1u) << "pinned";
    it.ask(a, "DISCARD ALL");
    EXPECT_EQ(it.in_use(), 1u) << "that does not end it";
    if (says_farewell) a.wire->push(test::frame('X'));
    a.wire->close_write();
    it.world.loop.settle();
    EXPECT_TRUE(it.server().terminated);
    EXPECT_EQ(it.ask(b, "select 1"), "DCZ");
    EXPECT_EQ(it.world.connector.backends.size(), 2u);
  }
}

TEST(Lent, AnIgnoredStateDoesNotPin) {
  auto settings = transaction();
  settings.on_session_state = OnSessionState::ignore;
  Lent it{settings};
  auto a = it.world.enter();
  it.ask(a, "LISTEN x");
  EXPECT_EQ(it.in_use(), 0u);
}

TEST(Lent, WhatARefusedStatementWouldHaveDoneIsNotDone) {
  auto settings = transaction();
  settings.on_session_state = OnSessionState::refuse;
  Lent it{settings};
  auto a = it.world.enter();
  it.ask(a, "LISTEN x");
  EXPECT_EQ(it.in_use(), 0u);
  for (const auto& sql : it.server().queries) EXPECT_NE(sql, "LISTEN x");
}

TEST(Lent, TheServerIsAskedWhatAFunctionHides) {
  auto settings = transaction(2);
  settings.verify_session_state = VerifySessionState::always;
  Lent it{settings};
  auto a = it.world.enter();
  EXPECT_EQ(it.ask(a, "select clean()"), "DCZ");
  EXPECT_EQ(it.in_use(), 0u);
  it.server().state_row[1] = "1";
  EXPECT_EQ(it.ask(a, "select lock()"), "DCZ");
  EXPECT_EQ(it.in_use(), 1u) << "pinned";
}

// The next client would have another role.
TEST(Lent, AClientsDiscardAllIsFollowedByAResetWhereItLosesTheRole) {
  for (const auto* version : {"14.13", "14.14"}) {
    Lent it;
    it.world.connector.prepare = [version](test::FakeBackend& backend) {
      backend.wire->push(test::parameter("server_version", version));
    };
    auto a = it.world.enter();
    EXPECT_TRUE(it.ask(a, "DISCARD ALL").ends_with("CZ"));
    EXPECT_EQ(it.server().queries.back(), version == std::string{"14.13"} ? "RESET ROLE" : "DISCARD ALL");
    EXPECT_EQ(it.ask(a, "select 1"), "DCZ");
  }
}

TEST(Lent, TheRoleThatAConnectionBeginsWithIsNothingLeftBehind) {
  auto settings = transaction(2);
  settings.verify_session_state = VerifySessionState::always;
  Lent it{settings};
  it.world.connector.prepare = [](test::FakeBackend& backend) {
    backend.state_row[broker::move_role_column] = "of ALTER ROLE";
  };
  auto a = it.world.enter();
  EXPECT_EQ(it.ask(a, "select 1"), "DCZ");
  EXPECT_EQ(it.in_use(), 0u);
  it.server().state_row[broker::move_role_column] = "none";
  EXPECT_EQ(it.ask(a, "select unset()"), "DCZ");
  EXPECT_EQ(it.in_use(), 1u) << "pinned";
}

TEST(Lent, ACredentialThatEndsMovesNobodyAsNobodyHasAConnection) {
  Lent it{transaction(2)};
  auto a = it.world.enter();
  it.ask(a, "select 1");
  it.world.rotate();
  it.world.ending(1, 5s);
  EXPECT_EQ(it.ask(a, "select 2"), "DCZ");
  EXPECT_EQ(it.world.moved, 0u);
  EXPECT_TRUE(it.world.forced.empty());
  EXPECT_EQ(it.world.connector.backends.size(), 2u);
  EXPECT_EQ(it.server().queries.back(), "select 2");
}

TEST(Lent, ATransactionThatIsOpenAtTheEndOfItsCredentialGoesOnAndTheNextOneIsOnTheSuccessor) {
  Lent it{transaction(2)};
  auto a = it.world.enter();
  it.ask(a, "BEGIN");
  it.world.rotate();
  it.world.ending(1, 5s);
  EXPECT_EQ(it.ask(a, "select 1"), "DCZ");
  EXPECT_EQ(it.ask(a, "COMMIT"), "CZ");
  EXPECT_EQ(it.ask(a, "select 2"), "DCZ");
  EXPECT_EQ(it.server().queries.back(), "select 2");
  EXPECT_TRUE(it.world.forced.empty());
}

TEST(Lent, APinnedSessionMoves) {
  Lent it{transaction(2)};
  auto a = it.world.enter();
  it.ask(a, "SET work_mem = '9MB'");
  it.world.rotate();
  it.world.ending(1, 5s);
  EXPECT_EQ(it.world.moved, 1u);
  EXPECT_EQ(it.ask(a, "select 2"), "DCZ");
}

bool is_guarded(const test::FakeBackend& server) {
  return server.queries.back().find("was given on another server connection") != std::string::npos;
}

// The new connection is one that others have borrowed, and nothing has reset it.
TEST(Lent, WhoMovedIsNotToldWhatASequenceGaveToOthersOnItsNewConnection) {
  Lent it{transaction(2)};
  auto a = it.world.enter(), b = it.world.enter();
  it.ask(a, "SET work_mem = '9MB'");
  it.ask(a, "insert into t values (1)");
  it.world.rotate();
  it.ask(b, "insert into t values (2)");
  ASSERT_EQ(it.world.connector.backends.size(), 2u);
  it.world.ending(1, 5s);
  ASSERT_EQ(it.world.moved, 1u);
  ASSERT_EQ(it.world.connector.backends.size(), 2u) << "it has the connection that the other one had";
  it.ask(a, "select lastval()");
  EXPECT_TRUE(is_guarded(it.server()));
}

TEST(Lent, WhoComesBackFromAMoveThatFailedKnowsOfSequencesWhatItKnewBefore) {
  for (const bool draws : {false, true}) {
    Lent it{transaction(2)};
    auto b = it.world.enter(), a = it.world.enter();
    it.ask(b, "insert into t values (2)");
    it.ask(a, "SET work_mem = '9MB'");
    if (draws) it.ask(a, "insert into t values (1)");
    auto& old = it.server();
    old.settings = {{"work_mem", "9MB"}};
    it.world.connector.prepare = [](test::FakeBackend& fresh) { fresh.refuse_restore = true; };
    it.world.rotate();
    it.world.ending(1, 5s);
    ASSERT_EQ(it.world.connector.backends.size(), 2u);
    ASSERT_EQ(it.world.moved, 0u);
    it.ask(a, "select lastval()");
    EXPECT_EQ(is_guarded(old), !draws);
  }
}

TEST(Lent, WhoMovedWithItsSearchPathIsNotGivenWhatOthersHavePreparedBehindAnother) {
  Lent it{transaction(2)};
  auto a = it.world.enter(), b = it.world.enter();
  it.ask(a, "SET search_path = mine");
  it.server().settings = {{"search_path", "mine"}};
  it.world.rotate();
  const auto prepare = [&it](FakeClient& client) {
    client.wire->push(test::parse("s", "select 1") + test::sync());
    it.world.loop.settle();
    return client.types();
  };
  EXPECT_EQ(prepare(b), "1Z");
  it.world.ending(1, 5s);
  ASSERT_EQ(it.world.moved, 1u);
  EXPECT_EQ(prepare(a), "1Z");
  const auto& queries = it.server().queries;
  EXPECT_EQ(std::count_if(queries.begin(), queries.end(),
                          [](const auto& one) { return one.starts_with("P:sallyport_s"); }),
            2);
}

TEST(Lent, WhatUnpinsWhileItIsToBeMovedIsMovedNoMore) {
  for (const bool held_back : {true, false}) {
    Lent it{transaction(2)};
    auto a = it.world.enter();
    it.ask(a, "LISTEN x");
    ASSERT_EQ(it.in_use(), 1u);
    it.server().silent = true;
    a.wire->push(query("DISCARD ALL"));
    it.world.loop.settle();
    auto& old = it.server();
    it.world.connector.hold_logins = held_back;
    it.world.rotate();
    it.world.ending(1, 5s);
    it.world.loop.advance(1s);
    old.silent = false;  // while the new connection is waited for, or there already
    old.wire->push(test::complete("DISCARD ALL") + test::ready());
    it.world.loop.settle();
    it.world.loop.advance(10s);
    it.world.connector.hold_logins = false;
    while (it.world.connector.held() > 0) it.world.connector.release_one();
    it.world.loop.settle();
    EXPECT_EQ(it.ask(a, "select 1").back(), 'Z') << "it is neither ended nor is anything left of the move";
    EXPECT_EQ(it.in_use(), 0u);
  }
}

/// Twice: the first time only says whether it has been busy.
bool comes_to_rest(FakeClient& client) { return client.session->rest() || client.session->rest(); }

TEST(Lent, AClientAtRestGoesOnWhereItWas) {
  Lent it;
  auto a = it.world.enter("a");
  EXPECT_EQ(it.ask(a, "select 1"), "DCZ");
  ASSERT_FALSE(a.session->rest()) << "it was busy a moment ago";
  ASSERT_TRUE(a.session->rest());
  EXPECT_EQ(it.ask(a, "select 2"), "DCZ");
  EXPECT_EQ(a.session->traffic()->transactions, 2U);
  ASSERT_TRUE(comes_to_rest(a));
  EXPECT_EQ(a.session->traffic()->transactions, 2U);
  a.wire->push(test::frame('X'));
  it.world.loop.settle();
  EXPECT_EQ(it.world.sink.of(trail::EventKind::session_end).front().transactions, 2U);
}

TEST(Lent, WhatAClientHasPreparedOutlivesItsRest) {
  Lent it;
  auto a = it.world.enter(), b = it.world.enter();
  a.wire->push(test::parse("s", "select 1") + test::sync());
  it.world.loop.settle();
  a.types();
  ASSERT_TRUE(comes_to_rest(a));
  it.ask(b, "select 2");
  const auto bind = test::frame('B', std::string("\0s\0", 3) + std::string(6, '\0'));
  a.wire->push(bind + test::execute() + test::sync());
  it.world.loop.settle();
  EXPECT_EQ(a.types(), "2DCZ");
}

TEST(Lent, WhoHasAConnectionIsNotAtRest) {
  Lent it{transaction(2)};
  auto open = it.world.enter(), pinned = it.world.enter();
  it.ask(open, "BEGIN");
  it.ask(pinned, "LISTEN x");
  comes_to_rest(open);
  comes_to_rest(pinned);
  EXPECT_EQ(it.in_use(), 2u);
  EXPECT_EQ(it.ask(open, "COMMIT"), "CZ");
  EXPECT_EQ(it.in_use(), 1u);
  EXPECT_EQ(it.ask(pinned, "DISCARD ALL"), "CZ");
  EXPECT_EQ(it.in_use(), 0u);
}

TEST(Lent, ACancelOfWhatWaitsAndNoServerHasSeenIsAnsweredWithoutOne) {
  const auto extended = test::parse("", "delete from t") + test::bind() + test::execute() + test::sync();
  for (const auto& request : {test::query("delete from t"), extended}) {
    for (const bool more : {false, true}) {
      Lent it;
      auto a = it.world.enter(), b = it.world.enter();
      it.ask(a, "BEGIN");
      b.wire->push(request + (more ? test::query("select 1") : std::string{}));
      it.world.loop.settle();
      EXPECT_EQ(b.types(), "");
      bool done = false;
      b.session->cancel_query([&] { done = true; });
      it.world.loop.settle();
      EXPECT_TRUE(done);
      EXPECT_EQ(b.types(), "EZ");
      EXPECT_NE(b.text_of('E').find("C57014"), std::string::npos);
      EXPECT_EQ(b.text_of('Z'), "I");
      EXPECT_EQ(it.world.pool->status().waiting, more ? 1u : 0u) << "what it asked behind that was not meant";
      it.ask(a, "COMMIT");
      it.world.loop.advance(100ms);
      EXPECT_EQ(b.types(), more ? "DCZ" : "");
      EXPECT_TRUE(it.world.connector.cancels.empty());
      EXPECT_EQ(it.ask(b, "select 2"), "DCZ");
      const auto& heard = it.server().queries;
      EXPECT_EQ(std::count(heard.begin(), heard.end(), "delete from t"), 0);
    }
  }
}

TEST(Lent, WhoIsDismissedWhileItWaitsLeavesOnceItsCancelIsAnswered) {
  Lent it;
  auto a = it.world.enter(), b = it.world.enter();
  it.ask(a, "BEGIN");
  it.ask(b, "select 1");
  b.session->drain();
  b.session->cancel_query([] {});
  it.world.loop.advance(1s);
  EXPECT_EQ(b.types(), "EZE");
}

TEST(Lent, ACancelOfWhatWaitsAndIsLongIsSentOnceItRunsAndNotForWhatComesNext) {
  const auto sleep = "select pg_sleep(9)" + std::string(10'000, ' ');
  for (const bool quick : {false, true}) {
    Lent it;
    it.world.connector.prepare = [quick, &sleep](test::FakeBackend& backend) {
      backend.own_answer = [quick, &sleep](const std::string& sql) {
        const bool silent = !quick && sql == sleep;
        return silent ? std::optional<std::string>{""} : std::nullopt;
      };
    };
    auto a = it.world.enter(), b = it.world.enter();
    it.ask(a, "BEGIN");
    it.ask(b, sleep);
    bool done = false;
    b.session->cancel_query([&] { done = true; });
    EXPECT_TRUE(done);
    it.ask(a, "COMMIT");
    EXPECT_TRUE(it.world.connector.cancels.empty()) << "the server may not have read it yet";
    it.world.loop.advance(50ms);
    if (quick) {
      EXPECT_TRUE(it.world.connector.cancels.empty());
      continue;
    }
    ASSERT_EQ(it.world.connector.cancels.size(), 1u);
    EXPECT_EQ(it.world.connector.cancels[0].pid, it.server().pid);
  }
}

TEST(Lent, AConnectionWithACancelUnderWayIsLentToNobody) {
  Lent it;
  auto a = it.world.enter(), b = it.world.enter();
  it.world.connector.hold_cancels = true;
  it.ask(a, "BEGIN");
  a.session->cancel_query([] {});
  it.ask(a, "COMMIT");
  EXPECT_EQ(it.ask(b, "select 1"), "");
  it.world.connector.held_cancels.front()({});
  it.world.loop.settle();
  EXPECT_EQ(b.types(), "DCZ");
}

const broker::CancelOutcome late_cancel{
    Error{ErrorCode::timed_out, Hop::login, "db", "no answer within 10 s", {}, {}}, true};

TEST(Lent, AConnectionWhoseCancelMayComeLateServesItsTransactionToTheEndAndNobodyAfterwards) {
  Lent it;
  auto a = it.world.enter(), b = it.world.enter();
  it.world.connector.hold_cancels = true;
  it.ask(a, "BEGIN");
  a.session->cancel_query([] {});
  it.world.connector.held_cancels.front()(late_cancel);
  EXPECT_EQ(it.world.logger.lines.back(),
            "a cancel request may reach the server late: its connection goes to nobody else");
  EXPECT_EQ(it.ask(a, "select 1"), "DCZ");
  EXPECT_EQ(it.ask(b, "select 2"), "");
  EXPECT_EQ(it.ask(a, "COMMIT"), "CZ");
  EXPECT_EQ(b.types(), "DCZ");
  EXPECT_EQ(it.world.connector.backends.size(), 2u);
  EXPECT_TRUE(it.world.connector.backends[0]->wire->broker_gone());
  EXPECT_EQ(it.world.connector.backends[0]->queries.back(), "COMMIT");
  EXPECT_EQ(it.ask(a, "select 3"), "DCZ") << "its client has another one";
}

TEST(Lent, AConnectionWhoseCancelNeverLeftIsLentOn) {
  Lent it;
  auto a = it.world.enter(), b = it.world.enter();
  it.world.connector.hold_cancels = true;
  it.ask(a, "BEGIN");
  a.session->cancel_query([] {});
  it.world.connector.held_cancels.front()(
      {Error{ErrorCode::retry_later, Hop::tcp, "db", "connection refused", {}, {}}});
  it.ask(a, "COMMIT");
  EXPECT_EQ(it.ask(b, "select 1"), "DCZ");
  EXPECT_EQ(it.world.connector.backends.size(), 1u);
}

TEST(Lent, WhoWaitsTooLongIsToldAndEnded) {
  auto settings = transaction();
  settings.wait_max = 2s;
  Lent it{settings};
  auto a = it.world.enter(), b = it.world.enter();
  it.ask(a, "BEGIN");
  it.ask(b, "select 1");
  it.world.loop.advance(3s);
  EXPECT_EQ(b.types(), "E");
  EXPECT_NE(b.text_of('E').find("53300"), std::string::npos);
  EXPECT_EQ(it.world.sink.of(trail::EventKind::session_end).size(), 1u);
}

TEST(Lent, AClientIsLetInWithoutAConnectionOnceOneStands) {
  Lent it;
  auto a = it.world.enter();
  it.ask(a, "BEGIN");
  auto b = it.world.enter();
  EXPECT_FALSE(it.world.greeting.empty());
  const auto starts = it.world.sink.of(trail::EventKind::session_start);
  ASSERT_EQ(starts.size(), 2u);
  EXPECT_EQ(starts[1].upstream_user, "user");
  EXPECT_FALSE(starts[1].upstream_pid) << "it has none of its own";
}

TEST(Lent, AServerThatEndsAnIdleConnectionCostsNoSession) {
  Lent it;
  auto a = it.world.enter();
  it.ask(a, "select 1");
  it.server().wire->close_write();
  it.world.loop.settle();
  it.world.loop.advance(200ms);
  EXPECT_EQ(it.ask(a, "select 2"), "DCZ");
}

}  // namespace
}  // namespace sallyport::lent_test
