// Who asks a pool for a connection, without a session around it.
#pragma once

#include "test/broker/world.h"

#include <gtest/gtest.h>

namespace sallyport::test {

/// One taker and what came of it.
struct Taker {
  std::optional<Result<broker::UpstreamPtr>> result;
  broker::Pool::WaiterId id = 0;
  [[nodiscard]] bool served() const { return result && *result; }
  [[nodiscard]] Error error() const { return result->error(); }
  broker::UpstreamPtr upstream() { return std::move(**result); }
};

inline std::shared_ptr<Taker> take(World& world, const broker::PoolKey& key, Duration wait = 30s,
                                   std::uint64_t newer_than = 0) {
  auto taker = std::make_shared<Taker>();
  taker->id = world.pool->take(
      key, world.loop.now().mono + wait,
      [taker](Result<broker::UpstreamPtr> upstream) { taker->result = std::move(upstream); }, newer_than);
  EXPECT_EQ(taker->result.has_value(), taker->id == 0) << "an id is of somebody who waits";
  return taker;
}
inline std::shared_ptr<Taker> take(World& world, Duration wait = 30s) {
  return take(world, world.key(), wait);
}

inline broker::PoolKey other_key(const World& world, const std::string& database) {
  auto key = world.key();
  key.database = database;
  return key;
}

inline broker::PoolKey key_of(const World& world, const std::string& identity,
                              const std::string& option = "") {
  auto key = world.key();
  key.identity = identity;
  if (!option.empty()) key.profile = {{"search_path", option}};
  return key;
}

/// One login succeeds with the credential as it is now: from then on it is no trial of it that logins are.
inline void prove_credential(World& world) {
  auto first = take(world, key_of(world, "first"));
  world.loop.settle();
  ASSERT_TRUE(first->served());
  world.pool->discard(first->upstream());
  world.loop.settle();
}

}  // namespace sallyport::test
