// Local passwords and what else is asked before a session begins: names that exist and names that do not look alike,
// limits hold, replication sessions have connections of their own, and old sessions end.
#include "crypto/pbkdf2.h"
#include "crypto/saslprep.h"
#include "crypto/scram_client.h"
#include "test/broker/world.h"
#include "wire/postgres/messages.h"

#include <gtest/gtest.h>

#include <regex>

namespace sallyport::session_login_test {
namespace {

using test::FakeClient;
using test::query;
using test::World;
using namespace std::chrono_literals;

crypto::ScramVerifier verifier_of(const std::string& password, unsigned iterations = 4096) {
  const std::vector<std::uint8_t> salt(16, 9);
  return crypto::make_scram_verifier_from_password(Secret::copy_of(password), salt, iterations);
}

/// A route whose rule is for whoever proves alice's password, whatever process it is.
std::shared_ptr<broker::RouteRuntime> password_route(const World& world) {
  auto made = std::make_shared<broker::RouteRuntime>(*world.route);
  AllowRule rule;
  rule.verifier = "/etc/pw";
  rule.logins = {"alice"};
  made->route.allow = {rule};
  made->route.passwords["alice"] = verifier_of("secret");
  made->mock.key.fill(5);
  return made;
}

std::string sasl(const WipedBytes& bytes) { return {bytes.begin(), bytes.end()}; }

/// Logs in as libpq does; what the client heard, one text a message: type, then body.
std::vector<std::string> log_in(World& world, FakeClient& client, const std::string& user,
                                const std::string& password) {
  std::vector<std::string> heard;
  const auto listen = [&] {
    world.loop.settle();
    client.types();
    for (const auto& message : client.messages) heard.push_back(message.type + message.body);
  };
  client.wire->push(test::startup({{"user", user}, {"database", "production"}}));
  listen();
  if (heard.empty() || heard.back()[0] != 'R') return heard;
  crypto::ScramClient scram{{}, "clientnonce"};
  WipedBytes first;
  postgres::encode(first, postgres::SaslInitialResponse{scram.mechanism(), scram.first_message()});
  client.wire->push(sasl(first));
  listen();
  if (heard.back()[0] != 'R') return heard;
  const auto challenge = scram.on_server_first(heard.back().substr(5));
  EXPECT_TRUE(challenge.has_value());
  const auto salted =
      crypto::pbkdf2_sha256(Secret::copy_of(password), challenge->salt, challenge->iterations);
  WipedBytes last;
  postgres::encode(last, postgres::SaslResponse{*scram.final_message(salted)});
  client.wire->push(sasl(last));
  listen();
  return heard;
}

TEST(SessionLogin, AnUnknownProcessProvesAPassword) {
  World world;
  auto client = world.open(password_route(world));
  const auto heard = log_in(world, client, "alice", "secret");
  EXPECT_EQ(heard.back()[0], 'Z');
  EXPECT_EQ(world.seen_login, "alice");
}

TEST(SessionLogin, AProcessThatARuleKnowsIsAskedForNothing) {
  World world;
  auto route = password_route(world);
  AllowRule user;
  user.uid = 1000;
  route->route.allow.push_back(user);
  auto client = world.open(route);
  const auto heard = log_in(world, client, "mallory", "");
  EXPECT_EQ(heard.back()[0], 'Z');
  EXPECT_EQ(world.seen_login, "");
}

TEST(SessionLogin, AWrongPasswordIsRefusedAndReachesNoServer) {
  World world;
  auto client = world.open(password_route(world));
  const auto heard = log_in(world, client, "alice", "wrong");
  EXPECT_EQ(heard.back()[0], 'E');
  EXPECT_NE(heard.back().find("28P01"), std::string::npos);
  EXPECT_TRUE(world.connector.requests.empty());
  EXPECT_EQ(world.sink.of(trail::EventKind::session_denied).size(), 1u);
}

/// Threat 18: with the parts that are random in both masked, not a byte tells a name that exists from one that does not.
TEST(SessionLogin, KnownAndUnknownNamesHearTheSame) {
  World world;
  const auto route = password_route(world);
  const auto transcript = [&](const std::string& user) {
    auto client = world.open(route);
    std::string all;
    for (const auto& message : log_in(world, client, user, "wrong")) all += message + "\n";
    all = std::regex_replace(all, std::regex{"r=clientnonce[^,]*"}, "r=NONCE");
    all = std::regex_replace(all, std::regex{"s=[A-Za-z0-9+/]{22}=="}, "s=SALT");
    return std::regex_replace(all, std::regex{"Event [0-9a-f]{16}"}, "Event ID");
  };
  const auto known = transcript("alice");
  EXPECT_NE(known.find("s=SALT,i=4096"), std::string::npos);
  EXPECT_EQ(known, transcript("mallory"));
  EXPECT_EQ(known, transcript("alicf"));
  EXPECT_EQ(known, transcript(std::string(60, 'x')));
}

TEST(SessionLogin, AnUnknownNameIsRefusedWhateverItProves) {
  World world;
  const auto route = password_route(world);
  for (const std::string password : {"secret", "", "mallory"}) {
    auto client = world.open(route);
    EXPECT_EQ(log_in(world, client, "mallory", password).back()[0], 'E');
  }
  EXPECT_TRUE(world.connector.requests.empty());
}

TEST(SessionLogin, SaltsOfUnknownNamesStayTheSame) {
  World world;
  const auto route = password_route(world);
  const auto salt = [&](const std::string& user) {
    auto client = world.open(route);
    const auto heard = log_in(world, client, user, "x");
    std::smatch found;
    std::regex_search(heard.at(1), found, std::regex{"s=([^,]*)"});
    return found.str(1);
  };
  EXPECT_EQ(salt("mallory"), salt("mallory"));
  EXPECT_NE(salt("mallory"), salt("mallorz"));
}

TEST(SessionLogin, AReplicationSessionHasAConnectionOfItsOwn) {
  World world;
  auto client = world.open();
  client.wire->push(test::startup({{"user", "me"},
                                   {"replication", "database"},
                                   {"database", "production"},
                                   {"application_name", "standby1"}}));
  world.loop.settle();
  EXPECT_EQ(client.types().back(), 'Z');
  ASSERT_EQ(world.connector.requests.size(), 1u);
  const auto& parameters = world.connector.requests[0].parameters;
  const auto has = [&](const std::string& name, const std::string& value) {
    return std::find(parameters.begin(), parameters.end(), std::pair{name, value}) != parameters.end();
  };
  EXPECT_TRUE(has("replication", "database"));
  EXPECT_TRUE(has("application_name", "standby1"));
  client.wire->push(query("IDENTIFY_SYSTEM"));
  world.loop.settle();
  EXPECT_EQ(world.connector.newest().queries, std::vector<std::string>{"IDENTIFY_SYSTEM"});
  client.wire->push(test::frame('X'));
  world.loop.settle();
  const auto now = world.pool->status();
  EXPECT_EQ(now.ready + now.resetting + now.in_use, 0u) << "closed, not reset";
  EXPECT_EQ(world.connector.newest().queries, std::vector<std::string>{"IDENTIFY_SYSTEM"});
}

TEST(SessionLogin, APhysicalReplicationSessionNamesNoRole) {
  World world{World::small(), "owner"};
  auto client = world.open();
  client.wire->push(test::startup({{"user", "me"}, {"replication", "true"}}));
  world.loop.settle();
  ASSERT_EQ(world.connector.requests.size(), 1u);
  for (const auto& [name, value] : world.connector.requests[0].parameters) EXPECT_NE(name, "role");
}

TEST(SessionLogin, AReplicationSessionIsNotMovedToALaterCredential) {
  World world;
  auto client = world.open();
  client.wire->push(test::startup({{"user", "me"}, {"replication", "database"}, {"database", "production"}}));
  world.loop.settle();
  client.types();
  world.ending(1, 10s);
  world.rotate();
  world.loop.advance(5s);
  EXPECT_EQ(world.moved, 0u);
  EXPECT_TRUE(world.alive(client));
  world.loop.advance(10s);
  EXPECT_EQ(world.forced, std::vector<std::string>{"replication"});
}

TEST(SessionLogin, ASessionEndsAtTheBoundaryBehindItsGreatestAge) {
  World world;
  auto aged = std::make_shared<broker::RouteRuntime>(*world.route);
  aged->route.session_age_max = 60s;
  auto idle = world.open(aged);
  auto busy = world.open(aged);
  for (auto* client : {&idle, &busy}) client->wire->push(World::hello());
  world.loop.settle();
  busy.wire->push(query("BEGIN"));
  world.loop.advance(59s);
  idle.types();
  busy.types();
  EXPECT_TRUE(world.alive(idle));
  world.loop.advance(2s);
  EXPECT_EQ(idle.types(), "E");
  EXPECT_NE(idle.text_of('E').find("57P01"), std::string::npos);
  EXPECT_NE(idle.text_of('E').find("as old as the configuration lets it become"), std::string::npos);
  EXPECT_EQ(busy.types(), "") << "in a transaction";
  busy.wire->push(query("COMMIT"));
  world.loop.advance(1s);
  EXPECT_EQ(busy.types(), "CZE");
  const auto ends = world.sink.of(trail::EventKind::session_end);
  ASSERT_EQ(ends.size(), 2u);
  EXPECT_EQ(ends[0].result, "ok");
  EXPECT_EQ(ends[0].reason, "session_age_max");
}

// A transaction that its client has forgotten would let it live for ever; one that is worked in is waited for.
TEST(SessionLogin, WhoIsTooOldAndDoesNothingInItsTransactionEndsAfterTheGrace) {
  World world;
  auto aged = std::make_shared<broker::RouteRuntime>(*world.route);
  aged->route.session_age_max = 60s;
  aged->grace = 20s;
  auto forgets = world.open(aged), works = world.open(aged);
  for (auto* client : {&forgets, &works}) {
    client->wire->push(World::hello());
    world.loop.settle();
    client->wire->push(query("BEGIN"));
    world.loop.settle();
    client->types();
  }
  for (int i = 0; i < 12; ++i) {
    world.loop.advance(10s);
    works.wire->push(query("select 1"));
    world.loop.settle();
  }
  EXPECT_EQ(forgets.types(), "E");
  EXPECT_FALSE(world.alive(forgets));
  EXPECT_TRUE(world.alive(works));
  works.wire->push(query("COMMIT"));
  world.loop.advance(1s);
  EXPECT_TRUE(works.types().ends_with("CZE"));
}

// What a stream still owes is never told: it has no boundary.
TEST(SessionLogin, AReplicationStreamEndsAtOnceWhenItIsToEnd) {
  World world;
  auto aged = std::make_shared<broker::RouteRuntime>(*world.route);
  aged->route.session_age_max = 60s;
  auto client = world.open(aged);
  client.wire->push(test::startup({{"user", "me"}, {"replication", "true"}}));
  world.loop.settle();
  world.connector.newest().own_answer = [](const std::string&) {
    return test::frame('W', std::string(3, '\0'));
  };
  client.wire->push(query("START_REPLICATION 0/0"));
  world.loop.settle();
  client.types();
  world.loop.advance(61s);
  EXPECT_EQ(client.types(), "E");
  EXPECT_NE(client.text_of('E').find("as old as the configuration lets it become"), std::string::npos);
}

}  // namespace
}  // namespace sallyport::session_login_test
