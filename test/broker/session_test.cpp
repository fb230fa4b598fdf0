// Sessions from the first packet to the end, over in-memory streams.
#include "test/broker/world.h"

#include <gtest/gtest.h>

namespace sallyport::session_test {
namespace {

using test::complete;
using test::error;
using test::FakeClient;
using test::query;
using test::ready;
using test::World;
using namespace std::chrono_literals;

TEST(Session, GreetsWithTheServersParametersAndPidAndAKeyOfOurOwn) {
  World world;
  auto client = world.enter("psql");
  std::string types;
  for (const auto& message : world.greeting) types += message.type;
  EXPECT_EQ(types, "RSSKZ");
  for (const auto& message : world.greeting) {
    if (message.type != 'K') continue;
    EXPECT_EQ(message.body.substr(0, 4), test::big_endian(100));
    EXPECT_EQ(message.body.size(), 8u);
    EXPECT_NE(message.body.substr(4), std::string("\1\2\3\4", 4));
  }
}

TEST(Session, TellsTheClientItsOwnApplicationNameAndSetsItBeforeTheFirstQuery) {
  World world;
  auto client = world.enter("it's me");
  bool told = false;
  for (const auto& message : world.greeting) {
    told = told || message.body == test::zero("application_name") + test::zero("it's me");
  }
  EXPECT_TRUE(told);
  EXPECT_TRUE(world.connector.newest().queries.empty()) << "sent ahead of the first query";
  client.wire->push(query("select 1"));
  world.loop.settle();
  EXPECT_EQ(world.connector.newest().queries,
            (std::vector<std::string>{"SET application_name = 'it''s me'", "select 1"}));
  EXPECT_EQ(client.types(), "DCZ") << "our own statement's replies are not the client's";
}

TEST(Session, WhoNamesItselfNothingHasTheNameThatTheServerGivesIt) {
  World world;
  world.connector.dress = [](broker::Connected& connected) {
    connected.greeting.parameters = {{"application_name", "of the role"}};
  };
  auto client = world.enter();
  bool told = false;
  for (const auto& message : world.greeting) {
    told = told || message.body == test::zero("application_name") + test::zero("of the role");
  }
  EXPECT_TRUE(told);
  client.wire->push(query("select 1"));
  world.loop.settle();
  EXPECT_EQ(world.connector.newest().queries, std::vector<std::string>{"select 1"});
}

TEST(Session, WhoNamesItselfWithAnEmptyNameHasThat) {
  World world;
  world.connector.dress = [](broker::Connected& connected) {
    connected.greeting.parameters = {{"application_name", "of the role"}};
  };
  auto client = world.open();
  client.wire->push(test::startup({{"user", "me"}, {"database", "production"}, {"application_name", ""}}));
  client.wire->push(query("select 1"));
  world.loop.settle();
  EXPECT_EQ(world.connector.newest().queries,
            (std::vector<std::string>{"SET application_name = ''", "select 1"}));
}

TEST(Session, ANameIsToldAndSetAsTheServerSpellsIt) {
  World world;
  world.connector.dress = [](broker::Connected& connected) {
    connected.greeting.parameters = {
        {"application_name", ""}, {"server_encoding", "UTF8"}, {"server_version", "15.18"}};
  };
  auto client = world.enter("M\xfcller" + std::string(60, 'x'));
  const auto name = "M?ller" + std::string(57, 'x');
  bool told = false;
  for (const auto& message : world.greeting) {
    told = told || message.body == test::zero("application_name") + test::zero(name);
  }
  EXPECT_TRUE(told);
  client.wire->push(query("select 1"));
  world.loop.settle();
  EXPECT_EQ(world.connector.newest().queries,
            (std::vector<std::string>{"SET application_name = '" + name + "'", "select 1"}));
}

TEST(Session, KeepsTheNameThatItStartedWithThroughReset) {
  World world;
  auto client = world.enter("psql");
  client.wire->push(query("RESET ALL"));
  world.loop.settle();
  EXPECT_EQ(client.types(), "CSZS") << "the server's answer, then what the name is again";
  EXPECT_EQ(world.connector.newest().queries.size(), 2u) << "sent ahead of the next query";
  client.wire->push(query("select 1"));
  world.loop.settle();
  EXPECT_EQ(world.connector.newest().queries,
            (std::vector<std::string>{"SET application_name = 'psql'", "RESET ALL",
                                      "SET application_name = 'psql'", "select 1"}));
  EXPECT_EQ(client.types(), "DCZ");
}

TEST(Session, ResetsNothingThatHadNoName) {
  World world;
  auto client = world.enter();
  client.wire->push(query("RESET ALL"));
  client.wire->push(query("select 1"));
  world.loop.settle();
  EXPECT_EQ(world.connector.newest().queries, (std::vector<std::string>{"RESET ALL", "select 1"}));
}

TEST(Session, ANameIsGivenBackOnlyWhereNothingIsUnderWay) {
  World world;
  auto client = world.enter("psql");
  client.wire->push(query("RESET ALL") + query("select 1") + query("BEGIN") + query("RESET ALL"));
  world.loop.settle();
  client.wire->push(query("COMMIT"));
  world.loop.settle();
  EXPECT_EQ(world.connector.newest().queries,
            (std::vector<std::string>{"SET application_name = 'psql'", "RESET ALL", "select 1", "BEGIN",
                                      "RESET ALL", "SET application_name = 'psql'", "COMMIT"}));
}

TEST(Session, ANameOfTheOptionsIsTheClientsAndNotThePools) {
  World world;
  auto client = world.open();
  client.wire->push(test::startup({{"user", "me"},
                                   {"database", "production"},
                                   {"options", R"(-c application_name=with\ space -c work_mem=9MB)"}}));
  world.loop.settle();
  ASSERT_EQ(world.connector.requests.size(), 1u);
  EXPECT_EQ(world.connector.requests[0].parameters, (postgres::Parameters{{"options", "-c work_mem=9MB"}}));
  client.wire->push(query("select 1"));
  world.loop.settle();
  EXPECT_EQ(world.connector.newest().queries.front(), "SET application_name = 'with space'");
}

TEST(Session, WritesTheTrailBeforeTheGreeting) {
  World world;
  world.sink.failing = true;
  auto client = world.open();
  client.wire->push(World::hello());
  world.loop.settle();
  EXPECT_EQ(client.types(), "E");
  EXPECT_NE(client.text_of('E').find("no space left"), std::string::npos);
  EXPECT_TRUE(world.sink.of(trail::EventKind::session_start).empty());
}

TEST(Session, LiveSessionsGoOnWhileTheTrailCannotBeWritten) {
  World world;
  auto client = world.enter();
  world.sink.failing = true;
  client.wire->push(query("select 1"));
  world.loop.settle();
  EXPECT_EQ(client.types(), "DCZ");
  client.wire->push(test::frame('X'));
  world.loop.settle();
  EXPECT_TRUE(world.sink.of(trail::EventKind::session_end).empty());
  world.sink.failing = false;
  world.loop.advance(2s);
  ASSERT_EQ(world.sink.of(trail::EventKind::session_end).size(), 1u)
      << "kept until the trail could be written";
}

TEST(Session, BestEffortLetsInWithoutTheTrail) {
  World world{World::small(), {}, config::AuditMode::best_effort};
  world.sink.failing = true;
  auto client = world.enter();
  client.wire->push(query("select 1"));
  world.loop.settle();
  EXPECT_EQ(client.types(), "DCZ");
}

TEST(Session, RecordsTheEndWithBytesAndTransactions) {
  World world;
  auto client = world.enter();
  client.wire->push(query("select 1") + query("select 2"));
  world.loop.settle();
  client.wire->push(test::frame('X'));
  world.loop.settle();
  const auto ends = world.sink.of(trail::EventKind::session_end);
  ASSERT_EQ(ends.size(), 1u);
  EXPECT_EQ(ends[0].result, "ok");
  EXPECT_EQ(ends[0].transactions, 2u);
  EXPECT_EQ(ends[0].bytes_to_server, query("select 1").size() * 2);
  EXPECT_EQ(ends[0].verified.at("uid"), "1000");
  EXPECT_TRUE(client.wire->broker_shut());
  world.loop.advance(6s);
  EXPECT_EQ(world.sessions(), 0u) << "a client that does not close is closed";
}

TEST(Session, TheTrailSaysNoGroupThatNobodyHasVerified) {
  World world;
  auto client = world.enter();
  world.prover->peer.gid.reset();
  auto by_tcp = world.enter();
  const auto starts = world.sink.of(trail::EventKind::session_start);
  ASSERT_EQ(starts.size(), 2u);
  EXPECT_EQ(starts[0].verified.at("gid"), "1000");
  EXPECT_FALSE(starts[1].verified.contains("gid"));
  EXPECT_EQ(starts[1].verified.at("uid"), "1000");
}

TEST(Session, RefusesAnUnknownProcessWithoutAnUpstreamConnectionAndWithoutSayingWhy) {
  World world;
  world.prover->refusal =
      Error{ErrorCode::denied, Hop::identity, "pid", "is not of this run", "secret hint", {}};
  auto client = world.open();
  client.wire->push(World::hello());
  world.loop.settle();
  EXPECT_EQ(client.types(), "E");
  EXPECT_EQ(client.text_of('E').find("not of this run"), std::string::npos);
  EXPECT_NE(client.text_of('E').find("C28000"), std::string::npos);
  EXPECT_TRUE(world.connector.requests.empty());
  const auto denials = world.sink.of(trail::EventKind::session_denied);
  ASSERT_EQ(denials.size(), 1u);
  EXPECT_EQ(denials[0].verified.at("uid"), "1000") << "who it was is seen, though it is not served";
  EXPECT_EQ(denials[0].verified.at("pid"), "4711");
  EXPECT_EQ(denials[0].verified.at("executable"), "/usr/bin/app");
  EXPECT_TRUE(client.wire->broker_shut());
}

TEST(Session, PolicysReasonIsForTheLogNotForTheWire) {
  World world;
  world.refusal = Error{ErrorCode::denied, Hop::policy, "route", "only uid 7 may", "Ask uid 7", {}};
  auto client = world.open();
  client.wire->push(World::hello());
  world.loop.settle();
  EXPECT_EQ(client.types(), "E");
  EXPECT_EQ(client.text_of('E').find("uid 7"), std::string::npos);
  EXPECT_TRUE(world.connector.requests.empty());
}

TEST(Session, ARouteOfExecSaysAll) {
  World world;
  auto route = std::make_shared<broker::RouteRuntime>(*world.route);
  route->talkative = true;
  world.refusal = Error{ErrorCode::denied, Hop::policy, "route", "only uid 7 may", "Ask uid 7", {}};
  auto client = world.open(route);
  client.wire->push(World::hello());
  world.loop.settle();
  client.types();
  EXPECT_NE(client.text_of('E').find("only uid 7 may"), std::string::npos);
}

TEST(Session, AfterProofTheServersErrorIsToldWithItsState) {
  World world;
  world.connector.failures.push_back(
      Error{ErrorCode::not_found, Hop::login, "db.example", "no such database", "Create it", "3D000"});
  auto client = world.open();
  client.wire->push(World::hello());
  world.loop.settle();
  EXPECT_EQ(client.types(), "E");
  EXPECT_NE(client.text_of('E').find("C3D000"), std::string::npos);
  EXPECT_NE(client.text_of('E').find("no such database"), std::string::npos);
}

TEST(Session, ClosesWhoSaysNothingWithinTheLoginDeadline) {
  World world;
  auto client = world.open();
  world.loop.advance(limits::client_login_deadline + 6s);
  EXPECT_EQ(world.sessions(), 0u);
  EXPECT_TRUE(client.wire->broker_gone());
  EXPECT_EQ(world.sink.of(trail::EventKind::session_denied).size(), 1u);
}

TEST(Session, ASlowLorisIsClosedAtTheSameDeadline) {
  World world;
  auto client = world.open();
  const auto hello = World::hello();
  for (std::size_t i = 0; i < 9; ++i) {
    client.wire->push(hello.substr(i, 1));
    world.loop.advance(1s);
  }
  EXPECT_EQ(world.sessions(), 1u);
  world.loop.advance(7s);
  EXPECT_EQ(world.sessions(), 0u);
}

TEST(Session, AnswersNoToTlsAndGssThenGoesOn) {
  World world;
  auto client = world.open();
  client.wire->push(test::big_endian(8) + test::big_endian(80877103));
  world.loop.settle();
  EXPECT_EQ(client.wire->take(), "N");
  client.wire->push(test::big_endian(8) + test::big_endian(80877104));
  world.loop.settle();
  EXPECT_EQ(client.wire->take(), "N");
  client.wire->push(World::hello());
  world.loop.settle();
  EXPECT_EQ(client.types(), "RSSKZ");
}

TEST(Session, WhatIsNoClientIsCountedInTheTrail) {
  const auto tls = test::big_endian(8) + test::big_endian(80877103);
  const std::pair<std::string, const char*> openings[] = {
      {std::string("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 11), "TLS is not spoken here"},
      {tls + tls + tls + tls + tls + tls, "too many requests for encryption"},
      {World::hello().substr(0, 20), "ended within its first packet"},
  };
  for (const auto& [bytes, reason] : openings) {
    World world;
    auto client = world.open();
    client.wire->push(bytes);
    world.loop.settle();
    client.wire->close_write();
    world.loop.settle();
    const auto denials = world.sink.of(trail::EventKind::session_denied);
    ASSERT_EQ(denials.size(), 1u) << reason;
    EXPECT_NE(denials[0].reason.find(reason), std::string::npos) << denials[0].reason;
    EXPECT_EQ(world.sessions(), 0u) << reason;
  }
}

TEST(Session, WhoConnectsAndSaysNothingIsNoDenial) {
  World world;
  auto client = world.open();
  client.wire->close_write();
  world.loop.settle();
  EXPECT_EQ(world.sessions(), 0u);
  EXPECT_TRUE(world.sink.of(trail::EventKind::session_denied).empty());
}

TEST(Session, NeverTakesMoreThanItsLimitBeforeTheLogin) {
  World world;
  auto client = world.open();
  client.wire->push(test::big_endian(9999) + test::big_endian(196608) + std::string(100'000, 'a'));
  world.loop.advance(6s);
  EXPECT_EQ(world.sessions(), 0u);
}

// A refused client that keeps sending must not keep the loop from its timers.
TEST(Session, AFloodAfterARefusalDoesNotHoldTheLoop) {
  World world;
  world.refusal = Error{ErrorCode::denied, Hop::policy, "route", "no", {}, {}};
  auto client = world.open();
  client.wire->push(World::hello() + std::string(std::size_t{1} << 20, 'x'));
  client.wire->set_read_max(512);
  for (int i = 0; i < 4; ++i) world.loop.run_turn();
  EXPECT_GT(client.wire->unread(), 0u) << "one turn may read only so much";
  world.loop.advance(6s);
  EXPECT_EQ(world.sessions(), 0u);
}

TEST(Session, WorksWhenEveryChunkIsOneByteBothWays) {
  World world;
  world.connector.prepare = [](test::FakeBackend& backend) { backend.wire->set_read_max(1); };
  auto client = world.open();
  client.wire->set_read_max(1);
  client.wire->push(World::hello("psql") + query("select 1") + test::parse("", "select 2") + test::bind() +
                    test::execute() + test::sync() + query("fail"));
  ASSERT_TRUE(world.loop.settle());
  EXPECT_EQ(client.types(),
            "RSSKZ"
            "DCZ"
            "12DCZ"
            "EZ");
}

TEST(Session, WorksWhateverTheRoomInTheClientsBuffer) {
  for (std::size_t room = 1; room < 40; ++room) {
    World world;
    auto client = world.open();
    client.wire->set_room(room);
    client.wire->push(test::big_endian(8) + test::big_endian(80877103) + World::hello("psql") +
                      query("select 1") + query("select 2"));
    std::string read;
    for (int i = 0; i < 2000; ++i) {
      ASSERT_TRUE(world.loop.settle());
      const auto more = client.wire->take();
      if (more.empty()) break;
      read += more;
    }
    ASSERT_EQ(read.substr(0, 1), "N") << room;
    EXPECT_EQ(test::types_of(read.substr(1)),
              "RSSKZ"
              "DCZ"
              "DCZ")
        << room;
  }
}

TEST(Session, WorksWhateverTheRoomInTheServersBuffer) {
  for (std::size_t room = 1; room < 40; ++room) {
    World world;
    world.connector.prepare = [room](test::FakeBackend& backend) { backend.wire->set_room(room); };
    auto client = world.open();
    client.wire->push(World::hello("psql") + query("select 1") + query("select 2"));
    ASSERT_TRUE(world.loop.settle());
    EXPECT_EQ(client.types(),
              "RSSKZ"
              "DCZ"
              "DCZ")
        << room;
  }
}

TEST(Session, TheUpstreamConnectionOfAnEndedSessionIsResetAndUsedAgain) {
  World world;
  auto first = world.enter();
  first.wire->push(query("select 1") + test::frame('X'));
  world.loop.settle();
  first.wire->close_write();
  world.loop.settle();
  auto second = world.enter();
  second.wire->push(query("select 2"));
  world.loop.settle();
  EXPECT_EQ(world.connector.requests.size(), 1u);
  EXPECT_EQ(world.connector.newest().queries,
            (std::vector<std::string>{"select 1", "DISCARD ALL", "select 2"}));
}

TEST(Session, AConnectionWithStateThatNoResetEndsIsForNobodyElse) {
  for (const std::string sql :
       {"select nextval('s'), currval('s'); select dblink_connect('far', 'host=elsewhere')",
        "select setseed(0.5)", "select 1"}) {
    World world;
    auto first = world.enter();
    first.wire->push(query(sql));
    world.loop.settle();
    first.wire->push(query("DISCARD ALL") + test::frame('X'));
    world.loop.settle();
    const bool kept = sql == "select 1";
    EXPECT_EQ(world.pool->status().ready, kept ? 1u : 0u) << sql;
    EXPECT_EQ(world.connector.newest().terminated, !kept) << "with a farewell";
  }
}

TEST(Session, ATransactionLeftOpenEndsWithItsConnection) {
  World world;
  auto client = world.enter();
  client.wire->push(query("BEGIN"));
  world.loop.settle();
  client.wire->push(test::frame('X'));
  world.loop.settle();
  EXPECT_TRUE(world.connector.newest().wire->broker_gone());
  EXPECT_EQ(world.pool->status().ready, 0u);
  EXPECT_EQ(world.pool->status().in_use, 0u);
}

bool cut_in_header(const std::string& bytes, std::size_t cut) {
  auto rest = bytes.substr(0, cut);
  test::take_frames(rest);
  return rest.size() < 5;
}

TEST(Session, EndsInsideAnyFrameCloseTheUpstreamConnection) {
  const auto bytes = query("select something") + test::parse("name", "select 1") + test::sync();
  for (std::size_t cut = 1; cut < bytes.size(); ++cut) {
    World world;
    auto client = world.enter();
    world.connector.newest().silent = true;
    client.wire->push(bytes.substr(0, cut));
    world.loop.settle();
    client.wire->close_write();
    world.loop.settle();
    const bool between = cut == query("select something").size() ||
                         cut == query("select something").size() + test::parse("name", "select 1").size();
    if (between) continue;  // an answer is still owed there; the tests below
    EXPECT_TRUE(world.connector.newest().wire->broker_gone()) << cut;
    EXPECT_EQ(world.pool->status().in_use, 0u) << cut;
    const bool in_header = client.wire->unread() == 0 && cut_in_header(bytes, cut);
    EXPECT_EQ(world.connector.newest().terminated, in_header)
        << cut << ": nothing may be written into half a frame";
  }
}

TEST(Session, HalfCloseAfterAQueryStillDeliversTheAnswer) {
  World world;
  auto client = world.enter();
  world.connector.newest().manual = true;
  client.wire->push(query("slow"));
  client.wire->close_write();
  world.loop.settle();
  EXPECT_FALSE(client.wire->broker_shut());
  world.connector.newest().wire->push(complete("SELECT 1") + ready());
  world.loop.settle();
  EXPECT_EQ(client.types(), "CZ");
  EXPECT_EQ(world.sessions(), 0u);
}

TEST(Session, AClientThatDiesInTheMiddleOfACopyEndsTheCopy) {
  World world;
  auto client = world.enter();
  auto& server = world.connector.newest();
  server.manual = true;
  client.wire->push(query("copy t from stdin"));
  world.loop.settle();
  server.wire->push(test::frame('G', std::string(3, '\0')));
  world.loop.settle();
  client.wire->push(test::frame('d', "1\n"));
  world.loop.settle();
  client.wire->close_write();
  world.loop.settle();
  EXPECT_TRUE(server.wire->broker_gone() || server.wire->broker_shut())
      << "the server must learn that no more data comes";
  server.wire->close_write();
  world.loop.settle();
  EXPECT_EQ(world.sessions(), 0u);
  EXPECT_EQ(world.pool->status().in_use, 0u);
}

TEST(Session, AClientThatDiesBeforeItsSyncIsNotWaitedFor) {
  World world;
  auto client = world.enter();
  auto& server = world.connector.newest();
  client.wire->push(test::parse("", "select 1") + test::frame('H'));
  world.loop.settle();
  client.wire->close_write();
  world.loop.settle();
  EXPECT_TRUE(server.wire->broker_gone() || server.wire->broker_shut());
  server.wire->close_write();
  world.loop.settle();
  EXPECT_EQ(world.sessions(), 0u);
}

TEST(Session, AResetOfTheClientIsNoticedAtTheNextWrite) {
  World world;
  auto client = world.enter();
  auto& server = world.connector.newest();
  server.manual = true;
  client.wire->push(query("slow"));
  world.loop.settle();
  client.wire->break_off();
  world.loop.settle();
  server.wire->push(complete("SELECT 1") + ready());
  world.loop.settle();
  EXPECT_EQ(world.sessions(), 0u);
  EXPECT_TRUE(server.wire->broker_gone());
}

TEST(Session, TheServersLastWordsReachTheClientWhenItCloses) {
  World world;
  auto client = world.enter();
  auto& server = world.connector.newest();
  server.wire->push(error("57P01", "terminating connection due to administrator command"));
  server.wire->close_write();
  world.loop.settle();
  EXPECT_EQ(client.types(), "E");
  EXPECT_TRUE(client.wire->broker_shut());
  client.wire->close_write();
  world.loop.settle();
  EXPECT_EQ(world.sessions(), 0u);
}

TEST(Session, ASlowReaderStopsTheServerAndIsServedWhole) {
  World world;
  auto client = world.enter();
  auto& server = world.connector.newest();
  server.manual = true;
  client.wire->push(query("all"));
  client.wire->set_room(1000);
  world.loop.settle();
  const auto rows = std::string(8, 'x');
  std::string sent;
  while (sent.size() < std::size_t{2} << 20) sent += test::frame('D', std::string(1000, 'd'));
  sent += complete("SELECT 1") + ready();
  server.wire->push(sent);
  ASSERT_TRUE(world.loop.settle());
  EXPECT_LT(sent.size() - server.wire->unread(),
            limits::relay_pending_bytes_max + limits::relay_read_bytes * 2 + 1000)
      << "kept in memory for one client";
  std::string read;
  for (int i = 0; i < 10'000 && read.size() < sent.size(); ++i) {
    read += client.wire->take();
    ASSERT_TRUE(world.loop.settle());
  }
  EXPECT_EQ(read + client.wire->take(), sent);
}

TEST(Session, ASlowServerStopsTheClientAndGetsAll) {
  World world;
  auto client = world.enter();
  auto& server = world.connector.newest();
  server.manual = true;
  server.wire->set_room(1000);
  client.wire->push(query("copy t from stdin"));
  world.loop.settle();
  std::string got = server.wire->take();
  server.wire->push(test::frame('G', std::string(3, '\0')));
  world.loop.settle();
  std::string sent;
  while (sent.size() < std::size_t{2} << 20) sent += test::frame('d', std::string(1000, 'd'));
  sent += test::frame('c');
  client.wire->push(sent);
  ASSERT_TRUE(world.loop.settle());
  EXPECT_LT(sent.size() - client.wire->unread(),
            limits::relay_pending_bytes_max + limits::relay_read_bytes * 2 + 1000);
  for (int i = 0; i < 10'000 && got.size() < sent.size() + query("copy t from stdin").size(); ++i) {
    got += server.wire->take();
    ASSERT_TRUE(world.loop.settle());
  }
  EXPECT_EQ(got, query("copy t from stdin") + sent);
}

TEST(Session, APipelineOfAnyLengthIsReadNoFasterThanItIsAnswered) {
  World world;
  auto client = world.enter();
  auto& server = world.connector.newest();
  server.manual = true;
  constexpr std::size_t requests = 300'000;
  std::string sent;
  for (std::size_t i = 0; i < requests; ++i) sent += test::frame('S');
  client.wire->push(sent);
  ASSERT_TRUE(world.loop.settle());
  auto got = server.wire->take().size();
  EXPECT_LE(got, (limits::session_requests_max + limits::relay_read_bytes / 5) * 5 + 100);
  std::size_t answers = 0;
  const auto prefix = got % 5;  // our own statement may stand in front
  for (int i = 0; i < 100'000 && answers < requests; ++i) {
    std::string some;
    for (; answers < std::min(requests, got / 5); ++answers) some += ready();
    server.wire->push(some);
    ASSERT_TRUE(world.loop.settle());
    client.wire->take();
    ASSERT_TRUE(world.loop.settle());
    got += server.wire->take().size();
  }
  EXPECT_EQ(got - prefix, sent.size());
}

TEST(Session, AnImpossibleLengthEndsTheSession) {
  World world;
  auto client = world.enter();
  client.wire->push(std::string("Q\0\0\0\3", 5));
  world.loop.settle();
  EXPECT_EQ(client.types(), "E");
  client.wire->close_write();
  world.loop.settle();
  EXPECT_EQ(world.sessions(), 0u);
  EXPECT_EQ(world.pool->status().in_use, 0u);
}

TEST(Session, ARefusalIsNotWrittenIntoHalfAFrameOfTheServers) {
  World world;
  auto client = world.enter();
  auto& server = world.connector.newest();
  server.manual = true;
  client.wire->push(query("x"));
  world.loop.settle();
  server.wire->push(test::frame('D', "twenty bytes of data").substr(0, 12));
  world.loop.settle();
  client.wire->push(std::string("Q\0\0\0\3", 5));
  world.loop.settle();
  EXPECT_EQ(client.drain().size(), 12u);
}

}  // namespace
}  // namespace sallyport::session_test
