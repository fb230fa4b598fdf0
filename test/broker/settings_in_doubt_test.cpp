// Settings whose bytes mean one thing in the client's encoding and another in the server's: none is set again under a
// guess. And what a client is told when the server does refuse one.
#include "test/broker/world.h"

#include <gtest/gtest.h>

namespace sallyport::settings_in_doubt_test {
namespace {

using broker::holds_doubt;
using broker::is_in_doubt;
using broker::ParameterMap;
using broker::statement_to_restore;
using test::FakeClient;
using test::query;
using test::World;
using namespace std::chrono_literals;

const std::string e_acute_utf8 = "\xc3\xa9", e_acute_latin1 = "\xe9";

PoolSettings transaction(std::size_t max) {
  auto settings = World::small();
  settings.mode = PoolMode::transaction;
  settings.max = max;
  return settings;
}

/// Servers that report a search_path, as PostgreSQL 18 does, and take any that is SET.
struct Reporting {
  explicit Reporting(const std::string& client_encoding, const std::string& path = "public",
                     std::size_t max = 2)
      : world(transaction(max)) {
    world.connector.dress = [=](broker::Connected& connected) {
      auto& parameters = connected.greeting.parameters;
      parameters.emplace_back("client_encoding", client_encoding);
      parameters.emplace_back("server_encoding", "UTF8");
      parameters.emplace_back("search_path", path);
      parameters.emplace_back("TimeZone", "UTC");
    };
    world.connector.prepare = [](test::FakeBackend& backend) {
      backend.own_answer = [&backend](const std::string& sql) -> std::optional<std::string> {
        for (const std::string name : {"search_path", "client_encoding", "TimeZone"}) {
          const auto begin = "SET " + name + " = ";
          if (sql.starts_with(begin))
            return backend.tell(name, sql.substr(begin.size())) + test::complete("SET") + test::ready();
        }
        return std::nullopt;
      };
    };
  }
  std::string ask(FakeClient& client, const std::string& sql) {
    client.wire->push(query(sql));
    world.loop.settle();
    return client.types();
  }
  [[nodiscard]] std::size_t in_use() const { return world.pool->status().in_use; }
  World world;
};

TEST(SettingsInDoubt, WhatIsMeantIsKnownWhereNothingIsConverted) {
  const auto of = [](std::string clients, std::string servers, std::string value) {
    ParameterMap parameters{{"client_encoding", std::move(clients)},
                            {"server_encoding", std::move(servers)},
                            {"TimeZone", value}};
    EXPECT_EQ(is_in_doubt(parameters, value), holds_doubt(parameters));
    return holds_doubt(parameters);
  };
  EXPECT_FALSE(of("UTF8", "UTF8", e_acute_utf8));
  EXPECT_FALSE(of("LATIN1", "UTF8", "UTC"));
  EXPECT_TRUE(of("LATIN1", "UTF8", e_acute_latin1));
  EXPECT_TRUE(of("LATIN1", "UTF8", e_acute_utf8)) << "valid there, and two other characters";
  EXPECT_TRUE(of("UTF8", "LATIN1", e_acute_utf8));
  EXPECT_FALSE(of("SQL_ASCII", "UTF8", e_acute_utf8));
  EXPECT_FALSE(of("UTF8", "SQL_ASCII", e_acute_utf8));
  EXPECT_FALSE(holds_doubt({{"TimeZone", e_acute_utf8}})) << "a server that tells no encodings";
}

TEST(SettingsInDoubt, AValueInDoubtIsResetAndNeverSpelledOut) {
  const ParameterMap wanted{{"DateStyle", "German"},
                            {"TimeZone", e_acute_latin1},
                            {"client_encoding", "LATIN1"},
                            {"server_encoding", "UTF8"}};
  EXPECT_EQ(statement_to_restore(wanted, {{"client_encoding", "LATIN1"}}),
            "SELECT pg_catalog.set_config('DateStyle', 'German', false), "
            "pg_catalog.set_config('TimeZone', NULL, false)");
}

TEST(SettingsInDoubt, InTheServersOwnEncodingAValueFollowsItsSession) {
  Reporting it{"UTF8", "public", 1};
  auto a = it.world.enter(), b = it.world.enter();
  it.ask(a, "SET TimeZone = " + e_acute_utf8);
  EXPECT_EQ(it.in_use(), 0u);
  it.ask(b, "select 1");
  it.ask(a, "select 1");
  const auto& queries = it.world.connector.newest().queries;
  EXPECT_NE(queries[queries.size() - 2].find(R"('TimeZone',  E'\xc3\xa9')"), std::string::npos);
}

TEST(SettingsInDoubt, InAnotherEncodingItKeepsItsSessionOnItsConnection) {
  for (const bool value_first : {true, false}) {
    Reporting it{"UTF8"};
    auto a = it.world.enter(), b = it.world.enter();
    if (value_first) {
      it.ask(a, "SET search_path = " + e_acute_utf8);
      EXPECT_EQ(it.in_use(), 0u);
      it.ask(a, "SET client_encoding = LATIN1");
    } else {
      it.ask(a, "SET client_encoding = LATIN1");
      EXPECT_EQ(it.in_use(), 0u) << "plain values are the same in both";
      it.ask(a, "SET search_path = " + e_acute_latin1);
    }
    EXPECT_EQ(it.in_use(), 1u);
    it.ask(b, "select 1");
    EXPECT_EQ(it.ask(a, "select 2"), "DCZ");
    it.ask(a, "SET client_encoding = UTF8");
    EXPECT_EQ(it.in_use(), 1u) << "what was told before was told in the other one";
    EXPECT_EQ(it.world.connector.backends.size(), 2u);
    it.ask(a, "DISCARD ALL");
    EXPECT_EQ(it.in_use(), 0u);
  }
}

// The default of its database, say: other sessions of the same key have it too, until one sets another.
TEST(SettingsInDoubt, OneOfTheLoginIsComeBackToByAReset) {
  Reporting it{"LATIN1", e_acute_latin1};
  auto a = it.world.enter("a");
  EXPECT_EQ(it.ask(a, "select 1"), "DCZ");
  EXPECT_EQ(it.in_use(), 1u);
  const auto& queries = it.world.connector.newest().queries;
  EXPECT_EQ(queries.front().find("search_path"), std::string::npos) << "it has it already";
}

TEST(SettingsInDoubt, ASessionWithOneIsNotMovedAndToldSo) {
  for (const auto* encoding : {"LATIN1", "UTF8"}) {
    World world;
    world.connector.dress = [encoding](broker::Connected& connected) {
      connected.greeting.parameters.emplace_back("client_encoding", encoding);
      connected.greeting.parameters.emplace_back("server_encoding", "UTF8");
    };
    auto client = world.enter();
    world.connector.newest().settings = {{"work_mem", "9MB"}, {"search_path", e_acute_utf8}};
    world.rotate();
    world.ending(1, 10s);
    EXPECT_EQ(world.moved, encoding == std::string{"UTF8"} ? 1u : 0u);
    world.loop.advance(10s);
    const std::vector<std::string> told{"not_restorable"};
    EXPECT_EQ(world.forced, encoding == std::string{"LATIN1"} ? told : std::vector<std::string>{});
  }
}

TEST(SettingsInDoubt, ASettingThatTheServerRefusesIsToldInItsWords) {
  Reporting it{"UTF8"};
  it.world.connector.prepare = [](test::FakeBackend& backend) { backend.refuse_restore = true; };
  auto a = it.world.enter("a");  // its name is set at once, as a connection is free
  const auto told = a.text_of('E');
  EXPECT_NE(told.find("refused to set again"), std::string::npos) << told;
  EXPECT_NE(told.find(test::zero("C22023")), std::string::npos) << told;
  const auto ends = it.world.sink.of(trail::EventKind::session_end);
  ASSERT_EQ(ends.size(), 1u);
  EXPECT_EQ(ends.front().reason, "server refused the session's settings");
}

TEST(SettingsInDoubt, AServerThatEndsMeanwhileIsHeard) {
  Reporting it{"UTF8"};
  const auto last = test::frame('E', test::zero("SFATAL") + test::zero("VFATAL") + test::zero("C57P01") +
                                         test::zero("Mterminating") + std::string(1, '\0'));
  it.world.connector.prepare = [&last](test::FakeBackend& backend) {
    backend.own_answer = [&last](const std::string&) { return std::optional<std::string>{last}; };
  };
  auto a = it.world.enter("a");
  EXPECT_NE(a.text_of('E').find(test::zero("Mterminating")), std::string::npos);
  const auto ends = it.world.sink.of(trail::EventKind::session_end);
  ASSERT_EQ(ends.size(), 1u);
  EXPECT_EQ(ends.front().reason, "server closed");
}

}  // namespace
}  // namespace sallyport::settings_in_doubt_test
