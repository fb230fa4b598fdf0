// What a pool does with connections to a server that is not of the kind that is wanted any more.
#include "test/broker/running.h"
#include "test/broker/taker.h"

#include <gtest/gtest.h>

namespace sallyport::pool_hosts_test {
namespace {

using test::Running;
using test::take;
using test::World;
using enum SessionAttributes;
using namespace std::chrono_literals;

const auto old_primary = *net::literal_address("10.0.0.1", 5432);
const auto new_primary = *net::literal_address("10.0.0.2", 5432);

/// Its servers are at `old_primary`.
void want(World& world, SessionAttributes wanted, bool standby = false) {
  auto reach = std::make_shared<broker::Reach>();
  reach->endpoints = {{"db1", 5432}, {"db2", 5432}};
  reach->wanted = wanted;
  world.pool->set_reach(reach);
  world.connector.dress = [standby](broker::Connected& connected) {
    connected.address = old_primary;
    connected.greeting.in_hot_standby = standby;
    connected.greeting.parameters.emplace_back("in_hot_standby", standby ? "on" : "off");
  };
}

struct Pooled {
  explicit Pooled(SessionAttributes wanted, bool standby = false) : world(settings()) {
    want(world, wanted, standby);
  }
  ~Pooled() { world.pool->stop(); }
  static PoolSettings settings() {
    auto settings = World::small();
    settings.min_ready = 0;
    settings.mode = PoolMode::transaction;
    return settings;
  }
  broker::UpstreamPtr taken() {
    auto taker = take(world);
    world.loop.settle();
    return taker->upstream();
  }
  World world;
};

TEST(PoolHosts, ReadyConnectionsToAnAddressThatIsLeftAreClosed) {
  Pooled it{read_write};
  it.world.pool->put_back(it.taken());
  it.world.pool->leave(new_primary);
  it.world.loop.settle();
  EXPECT_EQ(it.world.pool->status().ready, 1u) << "another address";
  it.world.pool->leave(old_primary);
  it.world.loop.settle();
  EXPECT_EQ(it.world.pool->status().ready, 0u);
  EXPECT_EQ(it.world.connector.open(), 0u);
}

TEST(PoolHosts, ThoseInUseAreClosedWhenTheyComeBackAndLaterOnesAreKept) {
  Pooled it{read_write};
  auto used = it.taken();
  it.world.pool->leave(old_primary);
  it.world.loop.advance(10ms);
  auto later = it.taken();
  it.world.pool->put_back(std::move(used));
  it.world.loop.settle();
  EXPECT_EQ(it.world.connector.open(), 1u);
  it.world.pool->put_back(std::move(later));
  it.world.loop.settle();
  EXPECT_EQ(it.world.pool->status().ready, 1u) << "its address is that of the primary again";
}

TEST(PoolHosts, AServerThatReportsToBeAStandbyIsNotPutBackWherePrimariesAreWanted) {
  for (const auto wanted : {read_write, primary, any, prefer_standby}) {
    Pooled it{wanted};
    auto used = it.taken();
    used->parameters.note("in_hot_standby", "on");
    it.world.pool->put_back(std::move(used));
    it.world.loop.settle();
    EXPECT_EQ(it.world.pool->status().ready, wants_writes(wanted) ? 0u : 1u) << name_of(wanted);
  }
}

TEST(PoolHosts, APromotedStandbyIsNotPutBackWhereStandbysAreWanted) {
  for (const auto wanted : {standby, read_only, any}) {
    Pooled it{wanted, true};
    auto used = it.taken();
    used->parameters.note("in_hot_standby", "off");
    it.world.pool->put_back(std::move(used));
    it.world.loop.settle();
    EXPECT_EQ(it.world.pool->status().ready, wanted == any ? 1u : 0u) << name_of(wanted);
  }
}

TEST(PoolHosts, ARefusedWriteCostsTheConnectionAndOneLoginASecond) {
  Pooled it{read_write};
  for (int i = 0; i < 3; ++i) {
    auto used = it.taken();
    used->write_refused = true;
    it.world.pool->put_back(std::move(used));
    it.world.loop.settle();
  }
  // One for each that was taken: the login that finds out has served the second.
  EXPECT_EQ(it.world.connector.requests.size(), 3u);
  EXPECT_EQ(it.world.pool->status().ready, 0u);
  Pooled other{any};
  auto used = other.taken();
  used->write_refused = true;
  other.world.pool->put_back(std::move(used));
  EXPECT_EQ(other.world.pool->status().ready, 1u) << "nobody has asked for a server that takes writes";
}

TEST(PoolHosts, InTransactionPoolingClientsWaitForANewPrimary) {
  const Error none{ErrorCode::retry_later, Hop::login, "db", "is a standby", {}, {}};
  Pooled it{read_write};
  it.world.connector.failures = {none, none, none};
  auto taker = take(it.world);
  it.world.loop.advance(1400ms);
  EXPECT_FALSE(taker->result);
  it.world.loop.advance(200ms);
  ASSERT_TRUE(taker->served());
  it.world.pool->discard(taker->upstream());
}

TEST(PoolHosts, ButNotForEver) {
  const Error none{ErrorCode::retry_later, Hop::login, "db", "is a standby", {}, {}};
  Pooled it{read_write};
  it.world.connector.failures.assign(100, none);
  auto taker = take(it.world);
  it.world.loop.advance(9s);
  EXPECT_FALSE(taker->result);
  it.world.loop.advance(2s);
  ASSERT_TRUE(taker->result);
  EXPECT_EQ(taker->error().what, "is a standby");
  auto next = take(it.world);
  it.world.loop.advance(100ms);
  EXPECT_TRUE(next->result) << "whoever comes later is told at once, until there is one";
}

TEST(PoolHosts, AndAnewWhenNobodyHasLookedForLong) {
  const Error none{ErrorCode::retry_later, Hop::login, "db", "is a standby", {}, {}};
  for (const auto& [later, waits] : {std::pair{20s, false}, {40s, true}}) {
    Pooled it{read_write};
    it.world.connector.failures.assign(100, none);
    auto taker = take(it.world);
    it.world.loop.advance(11s);
    ASSERT_TRUE(taker->result);
    it.world.loop.advance(later);
    auto next = take(it.world);
    it.world.loop.advance(100ms);
    EXPECT_EQ(!next->result, waits) << later.count();
    it.world.loop.advance(11s);
    EXPECT_TRUE(next->result);
  }
}

TEST(PoolHosts, AnyOtherErrorIsToldAtOnce) {
  for (const auto wanted : {any, read_write}) {
    Pooled it{wanted};
    it.world.connector.failures = {
        {ErrorCode::denied, Hop::login, "db", "no such database", {}, wanted == any ? "" : "3D000"}};
    auto taker = take(it.world);
    it.world.loop.settle();
    EXPECT_TRUE(taker->result);
  }
}

TEST(PoolHosts, ASessionThatHears25006DoesNotGiveItsConnectionBack) {
  for (const auto mode : {PoolMode::session, PoolMode::transaction}) {
    for (const auto* sqlstate : {"25006", "42601"}) {
      Running it;
      it.pool.mode = mode;
      it.pool.min_ready = 0;
      it.wanted = read_write;
      it.open_target();
      auto client = it.enter();
      it.world.connector.backends.front()->refuse_write = sqlstate;
      client.wire->push(test::query("INSERT"));
      it.world.loop.settle();
      client.wire->push(test::frame('X'));
      it.world.loop.settle();
      EXPECT_EQ(it.world.connector.backends.front()->wire->broker_gone(), sqlstate == std::string{"25006"});
    }
  }
}

}  // namespace
}  // namespace sallyport::pool_hosts_test
