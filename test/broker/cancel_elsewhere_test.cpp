// Cancels of sessions that another process has: who is asked, what it is told, and what a guess costs (threat 16).
#include "test/broker/running.h"

#include <gtest/gtest.h>

namespace sallyport::cancel_elsewhere_test {
namespace {

using test::World;

std::string cancel_request(const std::string& key) {
  return test::big_endian(static_cast<std::uint32_t>(12 + key.size())) + test::big_endian(80877102) +
         test::big_endian(100) + key;
}

std::string key_of(const World& world) {
  for (const auto& message : world.greeting) {
    if (message.type == 'K') return message.body.substr(4);
  }
  return {};
}

struct Other final : broker::CancelElsewhere {
  bool ask(const broker::CancelClaim& claim, std::function<void(bool found)> done) override {
    if (full) return false;
    claims.push_back(claim);
    answers.push_back(std::move(done));
    return true;
  }
  bool full = false;
  std::vector<broker::CancelClaim> claims;
  std::vector<std::function<void(bool)>> answers;
};

struct Two {
  Two() { world.services.elsewhere = &other; }

  test::FakeClient cancel(const std::string& key) {
    auto canceller = world.open();
    canceller.wire->push(cancel_request(key));
    world.loop.settle();
    return canceller;
  }

  World world;
  Other other;
};

TEST(CancelElsewhere, IsAskedForWhatIsNotHereAndToldWhoAsks) {
  Two it;
  const auto canceller = it.cancel("far!");
  ASSERT_EQ(it.other.claims.size(), 1U);
  const auto& claim = it.other.claims[0];
  EXPECT_EQ(claim.pid, 100);
  EXPECT_EQ(claim.key, (std::vector<std::uint8_t>{'f', 'a', 'r', '!'}));
  EXPECT_EQ(claim.asker.route, it.world.route->route.name);
  EXPECT_EQ(claim.asker.uid, 1000U);
  EXPECT_TRUE(claim.asker.local && claim.asker.counted && !claim.asker.secured);
  EXPECT_FALSE(canceller.wire->broker_gone()) << "it waits until the server has acted";
  it.other.answers[0](true);
  it.world.loop.settle();
  EXPECT_TRUE(canceller.wire->broker_gone());
}

TEST(CancelElsewhere, IsNotAskedForWhatIsHere) {
  Two it;
  const auto client = it.world.enter();
  (void)it.cancel(key_of(it.world));
  EXPECT_EQ(it.world.connector.cancels.size(), 1U);
  it.world.prover->peer.uid = 1001;
  (void)it.cancel(key_of(it.world));
  EXPECT_TRUE(it.other.claims.empty()) << "also not by a stranger who has the key";
  EXPECT_EQ(it.world.connector.cancels.size(), 1U);
}

TEST(CancelElsewhere, ThatCannotBeAskedIsNoReasonToWait) {
  Two it;
  it.other.full = true;
  EXPECT_TRUE(it.cancel("far!").wire->broker_gone());
}

TEST(CancelElsewhere, ARightKeyInOtherHandsIsToldWhereTheSessionIs) {
  test::Running it;
  auto client = it.enter();
  client.types();
  std::string key;
  for (const auto& message : client.messages) {
    if (message.type == 'K') key = message.body.substr(4);
  }
  broker::CancelClaim claim{100, {key.begin(), key.end()}, {}};
  claim.asker.route = "route";
  claim.asker.uid = 1001;
  std::optional<bool> found;
  it.broker.cancel(claim, [&found](bool one) { found = one; });
  it.world.loop.settle();
  EXPECT_EQ(found, false);
  const auto told = it.world.sink.of(trail::EventKind::security);
  ASSERT_EQ(told.size(), 1u);
  EXPECT_EQ(told[0].result, "cancel_refused");
  EXPECT_EQ(told[0].verified, (std::map<std::string, std::string>{{"uid", "1001"}}));
}

TEST(CancelElsewhere, AGuessCountsOnceBothHaveSaidNo) {
  constexpr auto max = broker::CancelMap::misses_per_second_max;
  Two it;
  const auto client = it.world.enter();
  for (unsigned i = 0; i < 2 * max; ++i) {
    (void)it.cancel("far!");
    it.other.answers.back()(true);
    it.world.loop.settle();
  }
  ASSERT_EQ(it.other.claims.size(), 2U * max) << "what was found there is no guess";
  for (unsigned i = 0; i < 2 * max; ++i) {
    const auto asked = it.other.answers.size();
    (void)it.cancel("bad!");
    if (it.other.answers.size() > asked) it.other.answers.back()(false);
    it.world.loop.settle();
  }
  EXPECT_EQ(it.other.claims.size(), 3U * max);
  (void)it.cancel(key_of(it.world));
  EXPECT_TRUE(it.world.connector.cancels.empty()) << "whoever has guessed enough is not heard in this second";
}

TEST(CancelElsewhere, AnAnswerThatComesWhenTheClientIsGoneIsHeardByNobody) {
  Two it;
  const auto canceller = it.cancel("far!");
  it.world.loop.advance(std::chrono::minutes{1});
  EXPECT_TRUE(canceller.wire->broker_gone()) << "no answer is waited for without end";
  it.other.answers[0](true);
  it.world.loop.settle();
}

TEST(CancelElsewhere, WhoseAnswerIsNoIsARefusedConnectionAndWhoseIsYesIsNot) {
  for (const bool found : {false, true}) {
    Other other;
    test::Running it;
    it.broker.look_elsewhere(&other);
    for (unsigned i = 0; i < broker::Turnstile::refusals_per_second; ++i) {
      test::FakeClient canceller;
      canceller.wire = std::make_shared<test::Wire>(it.world.loop);
      it.world.prover->peer.uid = 5000 + i;  // guesses of one are counted, too
      it.broker.accept(std::make_unique<test::MemoryStream>(canceller.wire), it.route(), 2000);
      canceller.wire->push(cancel_request("far!"));
      it.world.loop.settle();
      EXPECT_FALSE(canceller.wire->broker_gone());
      other.answers.back()(found);
      it.world.loop.settle();
      ASSERT_TRUE(canceller.wire->broker_gone());
    }
    unsigned heard = 0;
    for (unsigned i = 0; i < 500; ++i) heard += it.broker.lets_in(2000, "route") ? 1 : 0;
    EXPECT_EQ(heard, found ? 500u : broker::Turnstile::arrivals_per_turn);
    EXPECT_EQ(it.broker.status().on_doorstep, 0u);
  }
}

}  // namespace
}  // namespace sallyport::cancel_elsewhere_test
