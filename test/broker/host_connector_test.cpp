// One login to several hosts, against an inner connector that plays them.
#include "broker/host_connector.h"
#include "test/broker/doubles.h"

#include <gtest/gtest.h>

#include <map>

namespace sallyport::host_connector_test {
namespace {

using broker::Connected;
using broker::HostConnector;
using test::VirtualLoop;
using enum SessionAttributes;
using namespace std::chrono_literals;

struct Host {
  enum class Does { serves, refuses, hangs } does = Does::serves;
  bool standby = false, read_only = false;
  std::string sqlstate;  ///< with refuses; empty: the port is closed
};

class Hosts final : public broker::Connector {
 public:
  explicit Hosts(VirtualLoop& loop) : loop_(loop) {}
  void connect(broker::ConnectRequest request, std::function<void(Result<Connected>)> done) override {
    const auto name = request.address->to_string();
    tried.push_back(name);
    deadlines.push_back(request.deadline);
    const auto& host = hosts[name];
    if (host.does == Host::Does::hangs) {
      loop_.after(request.deadline, [done] {
        done(Error{ErrorCode::timed_out, Hop::login, {}, "no answer", {}, {}});
      });
    } else if (host.does == Host::Does::refuses) {
      loop_.post([done, sqlstate = host.sqlstate] {
        if (sqlstate.empty())
          return done(Error{ErrorCode::retry_later, Hop::tcp, {}, "connection refused", {}, {}});
        done(Error{ErrorCode::denied, Hop::login, {}, "refused with " + sqlstate, {}, sqlstate});
      });
    } else {
      loop_.post([this, done, host] {
        Connected connected;
        wires.push_back(std::make_shared<test::Wire>(loop_));
        connected.stream = std::make_unique<test::MemoryStream>(wires.back());
        connected.greeting.in_hot_standby = host.standby;
        connected.greeting.read_only = host.read_only;
        done(std::move(connected));
      });
    }
  }
  void resolve(const Endpoint& endpoint, Duration,
               std::function<void(Result<std::vector<net::Address>>)> done) override {
    looked_up.push_back(endpoint.host);
    Result<std::vector<net::Address>> answer =
        Error{ErrorCode::not_found, Hop::dns, endpoint.host, "there is no such host", {}, {}};
    if (const auto found = names.find(endpoint.host); found != names.end()) {
      std::vector<net::Address> addresses;
      for (const auto& text : found->second) addresses.push_back(*net::literal_address(text, endpoint.port));
      answer = addresses;
    }
    loop_.post([answer, done] { done(answer); });
  }
  void cancel(broker::CancelOrder, std::function<void(broker::CancelOutcome)>) override {}

  std::map<std::string, Host> hosts;                      // by "10.0.0.1:5432"
  std::map<std::string, std::vector<std::string>> names;  // and their addresses
  std::vector<std::string> tried, looked_up;
  std::vector<Duration> deadlines;
  std::vector<std::shared_ptr<test::Wire>> wires;

 private:
  VirtualLoop& loop_;
};

struct World {
  explicit World(SessionAttributes wanted = any, std::vector<std::string> hosts = {"10.0.0.1", "10.0.0.2"}) {
    reach->wanted = wanted;
    for (const auto& host : hosts) reach->endpoints.push_back({host, 5432});
    connector->on_left([this](const net::Address& address) { left.push_back(address.to_string()); });
  }
  /// Where a login ended, or its error.
  std::string login(Duration patience = 20s) {
    inner.tried.clear();
    inner.deadlines.clear();
    std::string where = "nothing was told";
    broker::ConnectRequest request;
    request.reach = reach;
    connector->connect(std::move(request), [&](Result<Connected> connected) {
      last_error = connected ? Error{} : connected.error();
      where = connected ? connected->address->to_string() : connected.error().what;
    });
    loop.advance(patience);
    return where;
  }
  VirtualLoop loop;
  Hosts inner{loop};
  test::RememberingLogger logger;
  test::CountingRandomness randomness;
  std::shared_ptr<broker::Reach> reach = std::make_shared<broker::Reach>();
  std::shared_ptr<HostConnector> connector =
      std::make_shared<HostConnector>("db", inner, loop, logger, randomness);
  std::vector<std::string> left;
  Error last_error;
};

using Tried = std::vector<std::string>;
const std::string first = "10.0.0.1:5432", second = "10.0.0.2:5432";

TEST(HostConnector, TakesTheFirstThatServes) {
  World world;
  EXPECT_EQ(world.login(), first);
  world.inner.hosts[first].does = Host::Does::refuses;
  EXPECT_EQ(world.login(0s), second);
  EXPECT_EQ(world.inner.tried, (Tried{first, second}));
  EXPECT_EQ(world.login(0s), second);
  EXPECT_EQ(world.inner.tried, (Tried{second})) << "the one that failed is tried last for a while";
  EXPECT_EQ(world.logger.lines, Tried{"logins go to another server"});
}

TEST(HostConnector, ANameThatLeadsElsewhereClosesWhatItLedTo) {
  World world{any, {"db.example"}};
  world.inner.names["db.example"] = {"10.0.0.1", "10.0.0.3"};
  EXPECT_EQ(world.login(), first);
  world.inner.names["db.example"] = {"10.0.0.3", "10.0.0.2"};
  world.loop.advance(31s);
  EXPECT_EQ(world.left, Tried{}) << "one of many addresses may be missing in an answer";
  world.inner.names.erase("db.example");
  world.loop.advance(31s);
  EXPECT_EQ(world.left, Tried{}) << "a name server that is ill says nothing of the server";
  world.inner.names["db.example"] = {"10.0.0.1"};
  world.loop.advance(31s);
  EXPECT_EQ(world.left, (Tried{"10.0.0.3:5432", second})) << "nobody has logged in meanwhile";
  world.left.clear();
  world.inner.names["db.example"] = {"10.0.0.2"};
  EXPECT_EQ(world.login(1s), second);
  EXPECT_EQ(world.left, Tried{first}) << "a login does not wait for the timer";
  world.left.clear();
  world.connector.reset();
  EXPECT_EQ(world.loop.timers(), 0u);
}

TEST(HostConnector, FindsThePrimaryAndClosesTheOthersPolitely) {
  for (const auto wanted : {read_write, primary}) {
    World world{wanted};
    world.inner.hosts[first].standby = true;
    EXPECT_EQ(world.login(), second);
    ASSERT_EQ(world.inner.wires.size(), 2u);
    EXPECT_EQ(test::types_of(world.inner.wires[0]->take()), "X");
    EXPECT_TRUE(world.inner.wires[0]->broker_gone());
    EXPECT_EQ(world.left, Tried{first}) << "connections to the old primary are of no more use";
    EXPECT_EQ(world.login(), second);
    EXPECT_EQ(world.inner.tried, Tried{second}) << "it is known where the primary is";
  }
}

TEST(HostConnector, FollowsThePrimaryBackAndForth) {
  World world{read_write};
  world.inner.hosts[second].standby = true;
  EXPECT_EQ(world.login(), first);
  world.inner.hosts[first].does = Host::Does::refuses;
  EXPECT_EQ(world.login(), first + ": connection refused; " + second +
                               ": is a standby, target_session_attrs wants read-write");
  EXPECT_EQ(world.last_error.code, ErrorCode::retry_later);
  EXPECT_EQ(world.last_error.sqlstate, "");
  world.inner.hosts[second].standby = false;
  EXPECT_EQ(world.login(), second);
  world.inner.hosts[first] = {Host::Does::serves, true};
  world.left.clear();
  EXPECT_EQ(world.login(), second);
  world.inner.hosts[first].standby = false;
  world.inner.hosts[second].does = Host::Does::refuses;
  EXPECT_EQ(world.login(), first);
  EXPECT_EQ(world.left.back(), second) << "it could not be reached while another one is the primary";
}

TEST(HostConnector, PreferStandbyTakesAPrimaryWhenThereIsNoStandby) {
  World world{prefer_standby};
  EXPECT_EQ(world.login(), first);
  EXPECT_EQ(world.inner.tried, (Tried{first, second, first}));
  EXPECT_TRUE(world.left.empty());
  world.inner.hosts[second].standby = true;
  EXPECT_EQ(world.login(), second);
}

TEST(HostConnector, ReadOnlyAndStandbyTakeNoPrimary) {
  World world{standby};
  EXPECT_EQ(world.login(), first + ": is no standby, target_session_attrs wants standby; " + second +
                               ": is no standby, target_session_attrs wants standby");
  World reader{read_only};
  reader.inner.hosts[second].read_only = true;
  EXPECT_EQ(reader.login(), second);
}

TEST(HostConnector, ASettingOfTheClientsIsHeldAgainstNoHost) {
  World world{read_write};
  world.inner.hosts[first].read_only = true;
  EXPECT_EQ(world.login(), second);
  EXPECT_TRUE(world.left.empty());
  world.inner.hosts[first].read_only = false;
  EXPECT_EQ(world.login(), first);
}

TEST(HostConnector, EachTryHasItsPartOfTheDeadline) {
  World world{any, {"10.0.0.1", "10.0.0.2", "10.0.0.3"}};
  for (const auto& host : {first, second, std::string{"10.0.0.3:5432"}})
    world.inner.hosts[host].does = Host::Does::hangs;
  const auto began = world.loop.now().mono;
  const auto told = world.login(limits::upstream_login_deadline);
  EXPECT_EQ(world.loop.now().mono - began, limits::upstream_login_deadline);
  EXPECT_EQ(told, "10.0.0.1:5432: no answer; 10.0.0.2:5432: no answer; 10.0.0.3:5432: no answer");
  ASSERT_EQ(world.inner.deadlines.size(), 3u);
  EXPECT_EQ(world.inner.deadlines[0], HostConnector::attempt_longest);
  World alone{any, {"10.0.0.1"}};
  EXPECT_EQ(alone.login(), first);
  EXPECT_EQ(alone.inner.deadlines.front(), limits::upstream_login_deadline);
}

TEST(HostConnector, ABlackHoleCostsOneLoginItsPartAndThenNone) {
  World world;
  world.inner.hosts[first].does = Host::Does::hangs;
  EXPECT_EQ(world.login(5s), second);
  EXPECT_EQ(world.login(0s), second);
}

TEST(HostConnector, LooksNamesUpEachTimeAndTriesAllAddresses) {
  World world{read_write, {"db.example"}};
  world.inner.names["db.example"] = {"10.0.0.1", "10.0.0.2"};
  world.inner.hosts[first].does = Host::Does::refuses;
  world.inner.hosts[second].standby = true;
  EXPECT_EQ(world.login(1s),
            "db.example:5432 (10.0.0.1:5432): connection refused; db.example:5432 "
            "(10.0.0.2:5432): is a standby, target_session_attrs wants read-write");
  world.inner.names["db.example"] = {"10.0.0.3"};
  EXPECT_EQ(world.login(1s), "10.0.0.3:5432");
  EXPECT_EQ(world.inner.looked_up.size(), 2u);
}

TEST(HostConnector, ANameThatDoesNotExistDoesNotStopTheOthers) {
  World world{any, {"gone.example", "10.0.0.2"}};
  EXPECT_EQ(world.login(), second);
  World alone{any, {"gone.example"}};
  EXPECT_EQ(alone.login(), "there is no such host");
  EXPECT_EQ(alone.last_error.hop, Hop::dns);
}

TEST(HostConnector, ARefusedCredentialIsOnlyRefusedWhenNoHostTakesIt) {
  World world;
  world.inner.hosts[first] = {Host::Does::refuses, false, false, "28P01"};
  EXPECT_EQ(world.login(), second) << "a standby that lags behind does not know the user yet";
  EXPECT_EQ(world.login(), second);
  EXPECT_EQ(world.inner.tried, (Tried{first, second})) << "it is not held against the host";
  world.inner.hosts[second].does = Host::Does::refuses;
  world.login();
  EXPECT_EQ(world.last_error.sqlstate, "28P01");
  world.inner.hosts[second] = {Host::Does::serves, true};
  world.reach->wanted = read_write;
  world.login();
  EXPECT_EQ(world.last_error.sqlstate, "") << "one has let us in";
}

TEST(HostConnector, WhatConcernsTheRequestEndsTheLoginAtOnce) {
  World world;
  world.inner.hosts[first] = {Host::Does::refuses, false, false, "3D000"};
  EXPECT_EQ(world.login(), "refused with 3D000");
  EXPECT_EQ(world.inner.tried, Tried{first});
  EXPECT_EQ(world.last_error.sqlstate, "3D000");
}

TEST(HostConnector, AServerThatStartsUpOrShutsDownIsPassedOver) {
  for (const auto* sqlstate : {"57P01", "57P02", "57P03", "53300"}) {
    World world;
    world.inner.hosts[first] = {Host::Does::refuses, false, false, sqlstate};
    EXPECT_EQ(world.login(0s), second) << sqlstate;
    world.login(0s);
    const bool full = std::string_view{sqlstate} == "53300";
    EXPECT_EQ(world.inner.tried.size(), full ? 2u : 1u) << "a full one is no fault of the host";
  }
}

TEST(HostConnector, SaysHowEachHostStands) {
  using State = broker::HostStatus::State;
  World it{primary, {"10.0.0.1", "10.0.0.2", "10.0.0.3"}};
  const auto state = [&](std::size_t i) { return it.connector->status_of(it.reach->endpoints).at(i).state; };
  EXPECT_EQ(state(0), State::untried);
  it.inner.hosts[first].does = Host::Does::refuses;
  it.inner.hosts[second].standby = true;
  EXPECT_EQ(it.login(1ms), "10.0.0.3:5432");
  const auto failed = it.connector->status_of(it.reach->endpoints).at(0);
  EXPECT_EQ(failed.host, first);
  EXPECT_EQ(failed.state, State::failed);
  ASSERT_TRUE(failed.tried_last_for.has_value());
  EXPECT_GT(*failed.tried_last_for, 0s);
  EXPECT_LE(*failed.tried_last_for, policy::HostChooser::back_off_first);
  EXPECT_EQ(state(1), State::unsuited);
  EXPECT_EQ(state(2), State::serving);
  it.inner.hosts[first].does = Host::Does::serves;
  it.loop.advance(2s);
  EXPECT_FALSE(it.connector->status_of(it.reach->endpoints).at(0).tried_last_for) << "its back-off is over";
  EXPECT_EQ(it.login(), first);
  EXPECT_EQ(state(0), State::serving);
  EXPECT_EQ(state(2), State::served);
}

TEST(HostConnector, RandomOrderSpreadsLogins) {
  World world;
  world.reach->load_balance = LoadBalance::random;
  std::map<std::string, int> served;
  for (int i = 0; i < 100; ++i) ++served[world.login(0s)];
  EXPECT_GT(served[first], 25);
  EXPECT_GT(served[second], 25);
}

}  // namespace
}  // namespace sallyport::host_connector_test
