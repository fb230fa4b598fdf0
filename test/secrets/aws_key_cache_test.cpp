// How long a session keeps keys, and what it does while new ones are not to be had.
#include "test/secrets/aws_world.h"

namespace sallyport::aws_key_cache_test {
namespace {

using secrets::aws::KeyCache;
using namespace std::chrono_literals;

/// A container that gives keys with this life, and may be broken.
struct Scene {
  AwsWorld world;
  KeyCache cache;
  bool broken = false;
  Duration life = 6h;
  int made = 0;

  Scene() {
    world.container();
    world.http["GET http://169.254.170.2/v2/keys"] = [this](const Asked&) {
      if (broken) return Told{503, "", {}};
      ++made;
      const auto expires = world.now.wall + std::chrono::duration_cast<WallTime::duration>(life);
      return Told{200, json_keys("ASIA" + std::to_string(made), format_utc(expires)), {}};
    };
  }

  void pass(std::chrono::seconds time) { world.now = {world.now.wall + time, world.now.mono + time}; }

  /// The id of the keys that a use at this moment gets.
  std::string use() {
    const auto done = world.refresh(cache);
    return done ? cache.keys().access_key_id : std::string{name_of(done.error().code)};
  }
};

TEST(AwsKeyCache, KeysAreAskedForOnceUntilTheyAreDue) {
  Scene scene;
  EXPECT_EQ(scene.use(), "ASIA1");
  for (int i = 0; i < 5; ++i) {
    scene.pass(1h);
    EXPECT_EQ(scene.use(), "ASIA1");
  }
  scene.pass(44min);  // 16 to go, and some jitter
  scene.pass(5min);
  EXPECT_EQ(scene.use(), "ASIA2");
  EXPECT_EQ(scene.made, 2);
}

TEST(AwsKeyCache, ValidKeysAreServedWhileARefreshFails) {
  Scene scene;
  EXPECT_EQ(scene.use(), "ASIA1");
  scene.broken = true;
  scene.pass(5h + 46min);
  EXPECT_EQ(scene.use(), "ASIA1");
  scene.pass(10min);
  EXPECT_EQ(scene.use(), "ASIA1");
  scene.pass(5min);  // past their end
  EXPECT_EQ(scene.use(), "retry_later");
  scene.broken = false;
  EXPECT_EQ(scene.use(), "ASIA2");
}

TEST(AwsKeyCache, AfterAFailureInTheAdvisoryWindowThereIsAPause) {
  Scene scene;
  (void)scene.use();
  scene.broken = true;
  scene.pass(5h + 46min);
  (void)scene.use();
  const auto asked = scene.world.asked.size();
  scene.pass(10s);
  (void)scene.use();
  EXPECT_EQ(scene.world.asked.size(), asked) << "ten seconds later";
  scene.pass(100s);
  (void)scene.use();
  EXPECT_GT(scene.world.asked.size(), asked) << "two minutes later";
}

TEST(AwsKeyCache, ShortLivesHaveShortWindows) {
  Scene scene;
  scene.life = 900s;
  EXPECT_EQ(scene.use(), "ASIA1");
  scene.pass(8min);
  EXPECT_EQ(scene.use(), "ASIA1");
  scene.pass(4min);
  EXPECT_EQ(scene.use(), "ASIA2");
}

TEST(AwsKeyCache, ASuspendedMachineNoticesThatKeysHaveExpired) {
  Scene scene;
  EXPECT_EQ(scene.use(), "ASIA1");
  scene.world.now.wall += 8h;  // the monotonic clock stood still
  EXPECT_EQ(scene.use(), "ASIA2");
}

TEST(AwsKeyCache, DroppedKeysAreNotUsedAgain) {
  Scene scene;
  EXPECT_EQ(scene.use(), "ASIA1");
  scene.cache.drop();
  EXPECT_EQ(scene.use(), "ASIA2");
}

TEST(AwsKeyCache, AwsOwnTimeDecidesWhenItIsKnown) {
  Scene scene;
  EXPECT_EQ(scene.use(), "ASIA1");
  scene.pass(5h + 40min);
  EXPECT_EQ(scene.use(), "ASIA1");
  scene.cache.learn_skew(10min);
  EXPECT_EQ(scene.use(), "ASIA2");
}

TEST(AwsKeyCache, KeysInAFileAreReadAtEachUse) {
  AwsWorld world;
  world.credentials_file();
  KeyCache cache;
  ASSERT_TRUE(world.refresh(cache));
  EXPECT_EQ(cache.keys().access_key_id, "AKIDFILE");
  world.files["/home/a/.aws/credentials"] =
      "[default]\naws_access_key_id=AKIDNEW\naws_secret_access_key=new\n";
  ASSERT_TRUE(world.refresh(cache));
  EXPECT_EQ(cache.keys().access_key_id, "AKIDNEW");
}

TEST(AwsKeyCache, KeysOfAProgramWithoutExpirationAreKeptForGood) {
  AwsWorld world;
  world.process();
  KeyCache cache;
  ASSERT_TRUE(world.refresh(cache));
  world.programs.clear();
  world.now.wall += 1'000h;
  ASSERT_TRUE(world.refresh(cache));
  EXPECT_EQ(cache.keys().access_key_id, "AKIDPROCESS");
}

TEST(AwsKeyCache, ABrokenProfileFileDoesNotTakeValidKeysAway) {
  Scene scene;
  EXPECT_EQ(scene.use(), "ASIA1");
  scene.world.files["/home/a/.aws/config"] = "half a li";
  EXPECT_EQ(scene.use(), "ASIA1");
}

}  // namespace
}  // namespace sallyport::aws_key_cache_test
