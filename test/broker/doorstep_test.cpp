#include "broker/doorstep.h"

#include <gtest/gtest.h>

namespace sallyport::broker {
namespace {

TEST(Doorstep, AUidBeyondItsShareLosesItsOwnOldest) {
  Doorstep door;
  EXPECT_EQ(door.add("other", 7), "");
  for (std::size_t i = 0; i < Doorstep::per_uid_max; ++i) EXPECT_EQ(door.add(std::to_string(i), 1000), "");
  EXPECT_EQ(door.add("one too many", 1000), "0");
  EXPECT_EQ(door.add("another", 1000), "1");
  EXPECT_EQ(door.size(), Doorstep::per_uid_max + 1);
}

TEST(Doorstep, WhoHasSpokenCountsNoMore) {
  Doorstep door;
  for (std::size_t i = 0; i < Doorstep::per_uid_max; ++i) (void)door.add(std::to_string(i), 1000);
  door.remove("5", 1000);
  door.remove("5", 1000);
  door.remove("unknown", 3);
  EXPECT_EQ(door.add("next", 1000), "");
  EXPECT_EQ(door.size(), Doorstep::per_uid_max);
}

TEST(Doorstep, BeyondTheTotalTheUidWithMostLosesOne) {
  Doorstep door;
  std::size_t added = 0;
  for (std::uint32_t uid = 0; added < Doorstep::total_max - 3; ++uid) {
    for (std::size_t i = 0; i < Doorstep::per_uid_max && added < Doorstep::total_max - 3; ++i, ++added) {
      ASSERT_EQ(door.add("u" + std::to_string(uid) + "-" + std::to_string(i), uid), "");
    }
  }
  for (const auto* quiet : {"a", "b", "c"}) EXPECT_EQ(door.add(quiet, 4000), "");
  EXPECT_EQ(door.add("newcomer", 5000).substr(0, 3), "u0-");
}

TEST(Doorstep, NetworksWhoseUidIsNotKnownAreCountedEachForItself) {
  Doorstep door;
  const auto flood = Origin::of_network("10.0.0.1");
  EXPECT_EQ(door.add("honest", Origin::of_network("10.0.0.2")), "");
  for (std::size_t i = 0; i < 3 * Doorstep::per_uid_max; ++i) {
    EXPECT_NE(door.add("flood " + std::to_string(i), flood), "honest");
  }
  EXPECT_EQ(door.size(), Doorstep::per_uid_max + 1);
  EXPECT_TRUE(door.remove("honest", Origin::of_network("10.0.0.2")));
}

}  // namespace
}  // namespace sallyport::broker
