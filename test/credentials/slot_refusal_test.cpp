// What the database refuses, what a secret may not change, and static credentials.
#include "test/credentials/fake_world.h"

namespace sallyport::credentials::slot_refusal_test {
namespace {

TEST(SlotRefusal, OneFetchCuresARotationHoweverManyReportIt) {
  World world;
  ASSERT_TRUE(world.get());
  for (int i = 0; i < 300; ++i) world.slot().report_login_failed(1, i % 2 ? "28P01" : "28000");
  EXPECT_EQ(world.slot().current(), nullptr);
  const auto result = world.get();
  ASSERT_TRUE(result);
  EXPECT_EQ((*result)->number, 2u);
  for (int i = 0; i < 300; ++i) world.slot().report_login_failed(1, "28P01");
  world.slot().report_login_succeeded(2);
  world.timers.advance(1min);
  EXPECT_EQ(world.slot().counters().fetches, 2u);
  EXPECT_EQ(world.slot().counters().logins_refused, 1u);
  EXPECT_TRUE(world.observer.events.empty());
  EXPECT_FALSE(world.manager.user_alive("v-1")) << "nobody held it";
}

TEST(SlotRefusal, OtherFailuresInvalidateNothing) {
  World world;
  ASSERT_TRUE(world.get());
  for (const char* sqlstate : {"", "53300", "57P03", "3D000", "28P0", "28P012", "42501"}) {
    world.slot().report_login_failed(1, sqlstate);
  }
  EXPECT_NE(world.slot().current(), nullptr);
  EXPECT_EQ(world.slot().counters().logins_refused, 0u);
}

TEST(SlotRefusal, ASecondRefusalIsAnEventAndAClearError) {
  World world;
  ASSERT_TRUE(world.get());
  world.slot().report_login_failed(1, "28P01");
  ASSERT_TRUE(world.get());
  world.slot().report_login_failed(2, "28P01");
  world.timers.advance(1ms);
  ASSERT_EQ(world.observer.events.size(), 1u);
  EXPECT_EQ(world.observer.events[0].kind, SecurityEvent::Kind::credential_changed_outside);
  EXPECT_EQ(world.observer.events[0].generation, 2u);
  const auto fetches = world.slot().counters().fetches;
  const auto result = world.get();
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().code, ErrorCode::denied);
  EXPECT_EQ(result.error().hop, Hop::login);
  EXPECT_EQ(result.error().sqlstate, "28P01");
  EXPECT_EQ(world.slot().counters().fetches, fetches);
  EXPECT_TRUE(world.slot().status().next_attempt_in);
}

TEST(SlotRefusal, WhatWasNeverLetInIsNoEventAndKeepsTheServersWords) {
  for (const bool let_in_once : {false, true}) {
    World world;
    ASSERT_TRUE(world.get());
    if (let_in_once) world.slot().report_login_succeeded(1);
    world.slot().report_login_failed(1, "28000", "connection requires a valid client certificate");
    ASSERT_TRUE(world.get());
    world.slot().report_login_failed(2, "28000", "connection requires a valid client certificate");
    world.timers.advance(1ms);
    EXPECT_EQ(world.observer.events.size(), let_in_once ? 1u : 0u);
    const auto result = world.get();
    ASSERT_FALSE(result);
    EXPECT_NE(result.error().what.find("user \"v-2\""), std::string::npos) << result.error().what;
    EXPECT_NE(result.error().what.find("requires a valid client certificate"), std::string::npos);
    EXPECT_NE(result.error().hint.find("sslcert="), std::string::npos);
  }
}

/// Inside a rotation: the manager's current word is refused, its pending one is right.
World& with_rotation(World& world) {
  world.manager.on_fetch = []() -> Result<secrets::Fetched> { return static_password("old"); };
  world.manager.on_pending = []() -> Result<secrets::Fetched> { return static_password("new"); };
  return world;
}

TEST(SlotRefusal, ThePendingVersionIsTriedWhenTheSourceStillGivesWhatWasRefused) {
  World world;
  ASSERT_TRUE(with_rotation(world).get());
  world.slot().report_login_succeeded(1);
  world.slot().report_login_failed(1, "28P01");
  const auto result = world.get();
  ASSERT_TRUE(result);
  EXPECT_TRUE((*result)->credential->secret.equals("new"));
  EXPECT_EQ(world.slot().counters().fetches, 3u);
  EXPECT_EQ(world.manager.refusals_told, 1u);
  world.slot().report_login_succeeded(2);
  world.timers.advance(1s);
  EXPECT_TRUE(world.observer.events.empty()) << "a rotation is no attack";
  EXPECT_FALSE(world.slot().is_blocked());
}

TEST(SlotRefusal, ThePendingVersionIsTriedWhenTheSourcesNewWordIsRefusedToo) {
  World world;
  ASSERT_TRUE(with_rotation(world).get());
  world.manager.on_fetch = []() -> Result<secrets::Fetched> { return static_password("newer"); };
  world.slot().report_login_failed(1, "28P01");
  ASSERT_TRUE(world.get());
  world.slot().report_login_failed(2, "28P01");
  const auto result = world.get();
  ASSERT_TRUE(result);
  EXPECT_TRUE((*result)->credential->secret.equals("new"));
}

TEST(SlotRefusal, APendingVersionThatIsRefusedEndsInTheBackOffAndIsNotAskedForTwice) {
  World world;
  unsigned asked = 0;
  ASSERT_TRUE(with_rotation(world).get());
  world.manager.on_pending = [&]() -> Result<secrets::Fetched> {
    ++asked;
    return static_password("new");
  };
  world.slot().report_login_failed(1, "28P01");
  ASSERT_TRUE(world.get());
  world.slot().report_login_failed(2, "28P01");
  EXPECT_FALSE(world.get(100ms));
  EXPECT_TRUE(world.slot().is_blocked());
  EXPECT_EQ(world.observer.events.size(), 1u);
  EXPECT_EQ(asked, 1u);
  EXPECT_EQ(world.manager.refusals_told, 2u);
}

TEST(SlotRefusal, WithoutAPendingVersionOrWithTheSameOneTheErrorIsTheRefusal) {
  for (const bool same : {false, true}) {
    World world;
    ASSERT_TRUE(with_rotation(world).get());
    world.manager.on_pending = [&]() -> Result<secrets::Fetched> {
      if (same) return static_password("old");
      return failure(ErrorCode::not_found);
    };
    world.slot().report_login_failed(1, "28P01");
    const auto result = world.get();
    ASSERT_FALSE(result);
    EXPECT_EQ(result.error().hop, Hop::login);
    EXPECT_TRUE(world.slot().is_blocked());
  }
}

TEST(SlotRefusal, AHundredCallersInsideARotationCauseOneFetchOfEachVersion) {
  World world;
  ASSERT_TRUE(with_rotation(world).get());
  world.slot().report_login_failed(1, "28P01");
  int answered = 0;
  for (int i = 0; i < 100; ++i) {
    world.slot().get(world.timers.now().mono + 30s, [&](const Result<GenerationPtr>& result) {
      answered += result && (*result)->credential->secret.equals("new") ? 1 : 0;
      if (result) world.slot().report_login_succeeded((*result)->number);
    });
  }
  world.timers.advance(5s);
  EXPECT_EQ(answered, 100);
  EXPECT_EQ(world.slot().counters().fetches, 3u);
}

TEST(SlotRefusal, ATokenThatIsRefusedIsNotComparedWithAPassword) {
  for (const char* sqlstate : {"28000", "28P01"}) {
    World world;
    world.manager.on_fetch = []() -> Result<secrets::Fetched> {
      auto fetched = static_password("token");
      fetched.credential.kind = CredentialKind::token;
      return fetched;
    };
    ASSERT_TRUE(world.get());
    world.slot().report_login_failed(1, sqlstate);
    const auto result = world.get();
    ASSERT_FALSE(result);
    EXPECT_EQ(result.error().hint, refused_token_hint);
  }
}

TEST(SlotRefusal, AWrongStaticPasswordIsNoticedWithoutASecondLogin) {
  World world;
  world.manager.on_fetch = []() -> Result<secrets::Fetched> { return static_password("wrong"); };
  ASSERT_TRUE(world.get());
  world.slot().report_login_failed(1, "28P01");
  const auto result = world.get();
  ASSERT_FALSE(result);
  EXPECT_EQ(world.observer.events.size(), 1u);
  EXPECT_EQ(world.slot().counters().fetches, 2u);
  EXPECT_EQ(world.observer.news.size(), 1u) << "the same secret is no new generation";
}

/// 50 clients that retry every 100 ms for an hour; every login is refused.
struct Storm {
  unsigned logins = 0;
  unsigned errors = 0;
};
Storm storm(World& world) {
  Storm storm;
  for (int tick = 0; tick < 36'000; ++tick) {
    for (int client = 0; client < (tick % 10 == 0 ? 50 : 1); ++client) {
      world.slot().get(world.timers.now().mono + 5s, [&](Result<GenerationPtr> result) {
        if (!result) {
          ++storm.errors;
          return;
        }
        ++storm.logins;
        world.timers.after(
            5ms, [&world, number = (*result)->number] { world.slot().report_login_failed(number, "28P01"); });
      });
    }
    world.timers.advance(100ms);
  }
  return storm;
}

TEST(SlotRefusal, AWrongPasswordNeverStorms) {
  World world;
  world.manager.on_fetch = []() -> Result<secrets::Fetched> { return static_password("wrong"); };
  const Storm result = storm(world);
  EXPECT_LE(result.logins, 50u + 25u) << "the first burst, then one per back-off";
  EXPECT_GE(result.logins, 50u + 10u) << "it goes on trying";
  EXPECT_LE(world.slot().counters().fetches, 50u);
  EXPECT_GT(result.errors, 200'000u);
}

TEST(SlotRefusal, DynamicCredentialsThatAreAllRefusedNeverStormEither) {
  World world;
  const Storm result = storm(world);
  EXPECT_LE(result.logins, 50u + 25u);
  EXPECT_LE(world.slot().counters().fetches, 25u);
  EXPECT_LE(world.manager.alive_count(), 2u) << "refused users are not left behind";
}

TEST(SlotRefusal, AfterARefusalOneCallerTriesFirst) {
  World world;
  ASSERT_TRUE(world.get());
  world.slot().report_login_failed(1, "28P01");
  unsigned answered = 0;
  for (int i = 0; i < 10; ++i) {
    world.slot().get(world.timers.now().mono + 30s,
                     [&](Result<GenerationPtr> result) { answered += !!result; });
  }
  world.timers.advance(1s);
  EXPECT_EQ(answered, 1u);
  world.slot().report_login_failed(2, "");  // a network failure says nothing about the credential
  world.timers.advance(1ms);
  EXPECT_EQ(answered, 2u);
  world.timers.advance(16s);  // nobody reports: the next one may
  EXPECT_EQ(answered, 3u);
  world.slot().report_login_succeeded(2);
  EXPECT_EQ(answered, 10u);
}

TEST(SlotRefusal, ATrialGivenToACancelledCallerGoesToTheNext) {
  World world;
  ASSERT_TRUE(world.get());
  world.slot().report_login_failed(1, "28P01");
  Slot::WaiterId second = 0;
  bool third = false;
  world.slot().get(world.timers.now().mono + 30s, [&](Result<GenerationPtr>) {
    world.slot().report_login_failed(2, "");
    world.slot().cancel(second);
  });
  second = world.slot().get(world.timers.now().mono + 30s, [&](Result<GenerationPtr>) { FAIL(); });
  world.slot().get(world.timers.now().mono + 30s, [&](Result<GenerationPtr> result) { third = !!result; });
  world.timers.advance(1s);
  EXPECT_TRUE(third);
}

TEST(SlotRefusal, AnOldSuccessDoesNotForgiveANewRefusal) {
  World world;
  ASSERT_TRUE(world.get());
  world.slot().report_login_failed(1, "28P01");
  world.slot().report_login_succeeded(1);  // a login that began before the rotation
  EXPECT_EQ(world.slot().current(), nullptr);
  ASSERT_TRUE(world.get());
  world.slot().report_login_succeeded(1);
  world.slot().report_login_failed(2, "28P01");
  EXPECT_EQ(world.observer.events.size(), 1u);
}

TEST(SlotRefusal, ALoginThatSucceedsShowsThatOnlyADatabaseHasRefused) {
  for (const bool twice : {false, true}) {
    World world;
    ASSERT_TRUE(world.get());
    std::uint64_t number = 1;
    if (twice) {
      world.slot().report_login_failed(number++, "28000");
      ASSERT_TRUE(world.get());
    }
    world.slot().report_login_failed(number, "28000");
    EXPECT_EQ(world.slot().current(), nullptr);
    world.slot().report_login_succeeded(number);
    ASSERT_NE(world.slot().current(), nullptr);
    EXPECT_EQ(world.slot().current()->number, number);
    EXPECT_TRUE(world.get());
    EXPECT_FALSE(world.slot().status().next_attempt_in);
  }
}

TEST(SlotRefusal, RotationsFarApartAreNoStorm) {
  World world;
  ASSERT_TRUE(world.get());
  for (std::uint64_t number = 1; number < 20; ++number) {
    world.timers.advance(11min);  // nobody ever reports success
    world.slot().report_login_failed(number, "28P01");
    ASSERT_TRUE(world.get()) << number;
  }
  EXPECT_TRUE(world.observer.events.empty());
}

TEST(SlotRefusal, AMendedPasswordWorksAfterTheBackOff) {
  World world;
  std::string password = "wrong";
  world.manager.on_fetch = [&]() -> Result<secrets::Fetched> { return static_password(password); };
  ASSERT_TRUE(world.get());
  world.slot().report_login_failed(1, "28P01");
  EXPECT_FALSE(world.get());
  password = "right";
  world.timers.advance(10s);
  const auto result = world.get();
  ASSERT_TRUE(result);
  EXPECT_TRUE((*result)->credential->secret.equals("right"));
  world.slot().report_login_succeeded((*result)->number);
  EXPECT_TRUE(world.get());
  EXPECT_FALSE(world.slot().status().next_attempt_in);
}

TEST(SlotRefusal, IsToldByStatusAndTriedAgainAtAPersonsWord) {
  World world;
  ASSERT_TRUE(world.get());
  world.slot().report_login_failed(1, "28P01");
  ASSERT_TRUE(world.get());
  world.slot().report_login_failed(2, "28P01");
  const auto status = world.slot().status();
  ASSERT_TRUE(status.last_error);
  EXPECT_NE(status.last_error->what.find("the database refuses"), std::string::npos);
  EXPECT_TRUE(status.generations.back().refused);
  ASSERT_FALSE(world.get());
  world.slot().try_again();
  const auto mended = world.get();
  ASSERT_TRUE(mended);
  EXPECT_EQ((*mended)->number, 3u) << "fetched anew";
  EXPECT_FALSE(world.slot().status().last_error);
  const auto first = *status.next_attempt_in;
  world.slot().report_login_failed(3, "28P01");
  world.timers.advance(1ms);
  EXPECT_GT(*world.slot().status().next_attempt_in, first) << "the back-off goes on growing";
}

TEST(SlotRefusal, APollAskedBeforeTheRefusalProvesNothing) {
  World world;
  std::string password = "old";
  world.options.poll_every = 10s;
  world.manager.on_fetch = [&]() -> Result<secrets::Fetched> { return static_password(password); };
  ASSERT_TRUE(world.get());
  std::string answer = "old";
  world.manager.on_fetch = [&]() -> Result<secrets::Fetched> {
    return static_password(std::exchange(answer, "new"));
  };
  world.runner.latency = [] { return 100ms; };
  while (world.runner.running == 0) world.timers.advance(1ms);  // a poll is under way
  world.slot().report_login_failed(1, "28P01");
  const auto result = world.get();
  ASSERT_TRUE(result) << describe(result.error());
  EXPECT_TRUE((*result)->credential->secret.equals("new"));
  EXPECT_TRUE(world.observer.events.empty());
}

TEST(SlotStatic, IsPolledAndOnlyAChangeIsANewGeneration) {
  World world;
  std::string password = "one";
  world.options.poll_every = 5s;
  world.manager.on_fetch = [&]() -> Result<secrets::Fetched> { return static_password(password); };
  ASSERT_TRUE(world.get());
  auto hold = world.slot().hold(world.slot().current());
  world.timers.advance(1min);
  EXPECT_GE(world.slot().counters().fetches, 9u);
  EXPECT_LE(world.slot().counters().fetches, 13u);
  EXPECT_EQ(world.observer.news.size(), 1u);
  password = "two";
  world.timers.advance(7s);
  EXPECT_EQ(world.observer.news.size(), 2u);
  EXPECT_TRUE(world.observer.gone.empty());
  hold.release();
  EXPECT_EQ(world.observer.gone, std::vector<std::uint64_t>{1});
  EXPECT_TRUE(world.observer.endings.empty()) << "no lease: its sessions may stay";
}

TEST(SlotStatic, IsRefetchedWhenTheSourceSaysItWillHaveChanged) {
  World world;
  world.manager.on_fetch = []() -> Result<secrets::Fetched> { return static_password("one", 1h); };
  ASSERT_TRUE(world.get());
  world.timers.advance(1h - 1ms);
  EXPECT_EQ(world.slot().counters().fetches, 1u);
  world.timers.advance(2s);
  EXPECT_EQ(world.slot().counters().fetches, 2u);
}

TEST(SlotStatic, AZeroRefetchTimeIsNoHotLoop) {
  World world;
  world.manager.on_fetch = []() -> Result<secrets::Fetched> {
    return static_password("one", Duration::zero());
  };
  ASSERT_TRUE(world.get());
  world.timers.advance(10s);
  EXPECT_LE(world.slot().counters().fetches, 11u);
}

TEST(SlotStatic, AFailedPollKeepsTheCurrentOneAndWarnsOnce) {
  World world;
  world.options.poll_every = 5s;
  world.manager.on_fetch = []() -> Result<secrets::Fetched> { return static_password("one"); };
  ASSERT_TRUE(world.get());
  world.manager.on_fetch = []() -> Result<secrets::Fetched> {
    return failure(ErrorCode::not_found, "no such file");
  };
  world.timers.advance(1h);
  EXPECT_NE(world.slot().current(), nullptr);
  EXPECT_TRUE(world.get());
  EXPECT_EQ(world.observer.warnings.size(), 1u);
}

TEST(SlotStatic, AnExpiringTokenIsReplacedBeforeAndItsSessionsAreLeftAlone) {
  World world;
  unsigned minted = 0;
  world.manager.on_fetch = [&]() -> Result<secrets::Fetched> {
    auto fetched = static_password("token-" + std::to_string(++minted));
    fetched.credential.kind = CredentialKind::token;
    fetched.credential.expires = world.timers.now().wall + 15min;
    return fetched;
  };
  ASSERT_TRUE(world.get());
  auto hold = world.slot().hold(world.slot().current());
  for (int minute = 0; minute < 120; ++minute) {
    world.timers.advance(1min);
    ASSERT_NE(world.slot().current(), nullptr);
  }
  EXPECT_LE(minted, 11u);
  EXPECT_TRUE(world.observer.endings.empty());
  EXPECT_EQ(std::count(world.observer.gone.begin(), world.observer.gone.end(), 1u), 0);
}

TEST(SlotEndpoint, ARefetchThatPointsElsewhereIsRefusedAndTheOldOneGoesOn) {
  World world;
  world.options.poll_every = 5s;
  std::uint16_t port = 5432;
  std::string password = "one";
  world.manager.on_fetch = [&]() -> Result<secrets::Fetched> {
    auto fetched = static_password(password);
    fetched.endpoint = {"postgresql", "db.example.com", port, {}, "app"};
    return fetched;
  };
  ASSERT_TRUE(world.get());
  EXPECT_EQ(world.slot().current()->endpoint.host, "db.example.com");
  port = 5433;
  password = "stolen?";
  world.timers.advance(1min);
  ASSERT_FALSE(world.observer.events.empty());
  EXPECT_EQ(world.observer.events[0].kind, SecurityEvent::Kind::endpoint_changed);
  EXPECT_EQ(world.slot().current()->number, 1u);
  EXPECT_TRUE(world.slot().current()->credential->secret.equals("one"));
  port = 5432;
  world.timers.advance(2min);
  EXPECT_EQ(world.slot().current()->number, 2u);
}

TEST(SlotEndpoint, EachFieldIsPinnedAndALeaseThatRedirectsIsRevoked) {
  for (int field = 0; field < 5; ++field) {
    World world;
    world.manager.ttl = world.manager.max_ttl = 1h;
    world.manager.endpoint = {"postgresql", "db.example.com", 5432, {}, "app"};
    ASSERT_TRUE(world.get());
    auto& endpoint = world.manager.endpoint;
    if (field == 0) endpoint.engine = "mysql";
    if (field == 1) endpoint.host = "evil.example.com";
    if (field == 2) endpoint.port = 1;
    if (field == 3) endpoint.database = "other";
    if (field == 4) endpoint = {};
    world.timers.advance(50min);
    EXPECT_FALSE(world.observer.events.empty()) << field;
    EXPECT_EQ(world.slot().current()->number, 1u) << field;
    EXPECT_EQ(world.manager.alive_count(), 1u) << field;
  }
}

}  // namespace
}  // namespace sallyport::credentials::slot_refusal_test
