// The settings that a database user has of its own are watched (threat 5): who has a session of it can change them.
#include "broker/role_settings.h"

#include "test/broker/taker.h"

#include <gtest/gtest.h>

namespace sallyport::role_settings_test {
namespace {

using broker::RoleSettings;
using test::key_of;
using test::take;
using test::World;
using namespace std::chrono_literals;
using Names = std::vector<std::string>;

TEST(RoleSettings, AreComparedWithThoseThatWereSeenLast) {
  RoleSettings watch;
  ASSERT_TRUE(watch.ask("app", "shop", MonotonicTime{}));
  EXPECT_EQ(watch.changes("app", "shop", {"a=1", "b=2"}), Names{}) << "what is there first is how it is";
  EXPECT_EQ(watch.changes("app", "shop", {"b=2", "a=1"}), Names{});
  EXPECT_EQ(watch.changes("app", "shop", {"a=1", "b=3", "c="}), (Names{"b", "c"}));
  EXPECT_EQ(watch.changes("app", "shop", {"a=1", "b=3", "c="}), Names{}) << "told once";
  EXPECT_EQ(watch.changes("app", "shop", {"a=1=1"}), (Names{"a", "b", "c"}));
}

TEST(RoleSettings, OfAnotherUserOrDatabaseAreOthers) {
  RoleSettings watch;
  for (const auto* user : {"app", "v-app-1"}) {
    for (const auto* database : {"shop", "stock"}) {
      ASSERT_TRUE(watch.ask(user, database, MonotonicTime{}));
      EXPECT_EQ(watch.changes(user, database, {std::string{"a="} + user + database}), Names{});
    }
  }
}

TEST(RoleSettings, ABurstOfLoginsIsAskedAboutOnce) {
  RoleSettings watch;
  EXPECT_TRUE(watch.ask("app", "shop", MonotonicTime{10s}));
  EXPECT_FALSE(watch.ask("app", "shop", MonotonicTime{10s + 999ms}));
  EXPECT_TRUE(watch.ask("app", "stock", MonotonicTime{10s}));
  EXPECT_TRUE(watch.ask("app", "shop", MonotonicTime{11s}));
}

TEST(RoleSettings, OfTooManyUsersThoseAskedLongestAgoAreForgotten) {
  RoleSettings watch;
  for (std::size_t i = 0; i <= RoleSettings::users_max; ++i) {
    ASSERT_TRUE(watch.ask("user" + std::to_string(i), "shop", MonotonicTime{i * 1ms}));
  }
  EXPECT_TRUE(watch.ask("user0", "shop", MonotonicTime{70ms}));
  EXPECT_FALSE(watch.ask("user5", "shop", MonotonicTime{70ms}));
}

TEST(RoleSettings, TheLoginBehindAChangeTellsItOnceAndServesAllTheSame) {
  PoolSettings settings;
  settings.min_ready = 0;
  settings.max = 10;
  World world{settings};
  auto first = take(world, key_of(world, "app"));
  world.loop.settle();
  world.loop.advance(2s);
  world.connector.prepare = [](test::FakeBackend& backend) { backend.role_settings = {"search_path=evil"}; };
  auto second = take(world, key_of(world, "app"));
  world.loop.settle();
  world.loop.advance(2s);
  auto third = take(world, key_of(world, "app"));
  world.loop.settle();
  ASSERT_TRUE(first->served() && second->served() && third->served());
  ASSERT_EQ(world.security_events.size(), 1u);
  EXPECT_NE(world.security_events[0].find("(search_path)"), std::string::npos) << world.security_events[0];
  EXPECT_EQ(world.security_events[0].find("evil"), std::string::npos) << "values may be secrets";
  for (auto* one : {&first, &second, &third}) world.pool->discard((*one)->upstream());
  world.pool->stop();
}

TEST(RoleSettings, AServerThatDoesNotTellServesAllTheSame) {
  World world;
  world.connector.prepare = [](test::FakeBackend& backend) { backend.refuse_role_settings = true; };
  auto first = take(world, key_of(world, "app"));
  world.loop.settle();
  ASSERT_TRUE(first->served());
  EXPECT_TRUE(world.security_events.empty());
  world.pool->discard(first->upstream());
  world.pool->stop();
}

TEST(RoleSettings, ARowOfAnotherShapeIsRefused) {
  const auto body = [](const std::string& frame) { return as_bytes(frame).subspan(5); };
  EXPECT_EQ(*broker::setting_of_row(body(test::row({"a=1"}))), "a=1");
  EXPECT_FALSE(broker::setting_of_row(body(test::row({"a=1", "b"}))));
  EXPECT_FALSE(broker::setting_of_row({}));
}

}  // namespace
}  // namespace sallyport::role_settings_test
