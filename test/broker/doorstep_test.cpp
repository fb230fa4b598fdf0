#include "broker/doorstep.h"

#include <gtest/gtest.h>

namespace sallyport::broker::doorstep_test {
namespace {

Origin from(const char* address) { return Origin::of_address(*net::literal_address(address, 4711)); }

TEST(Doorstep, AUidBeyondItsShareLosesItsOwnOldest) {
  Doorstep door;
  EXPECT_EQ(door.add(9001, 7), 0U);
  for (std::uint64_t i = 1; i <= Doorstep::per_uid_max; ++i) EXPECT_EQ(door.add(i, 1000), 0U);
  EXPECT_EQ(door.add(9002, 1000), 1U);
  EXPECT_EQ(door.add(9003, 1000), 2U);
  EXPECT_EQ(door.size(), Doorstep::per_uid_max + 1);
}

TEST(Doorstep, WhoHasSpokenCountsNoMore) {
  Doorstep door;
  for (std::uint64_t i = 1; i <= Doorstep::per_uid_max; ++i) (void)door.add(i, 1000);
  door.remove(5, 1000);
  door.remove(5, 1000);
  door.remove(9001, 3);
  EXPECT_EQ(door.add(9002, 1000), 0U);
  EXPECT_EQ(door.size(), Doorstep::per_uid_max);
}

TEST(Doorstep, BeyondTheTotalTheUidWithMostLosesOne) {
  Doorstep door;
  std::size_t added = 0;
  for (std::uint32_t uid = 0; added < Doorstep::total_max - 3; ++uid) {
    for (std::size_t i = 0; i < Doorstep::per_uid_max && added < Doorstep::total_max - 3; ++i) {
      ASSERT_EQ(door.add(++added, uid), 0U);
    }
  }
  for (const std::uint64_t quiet : {9001, 9002, 9003}) EXPECT_EQ(door.add(quiet, 4000), 0U);
  EXPECT_EQ(door.add(9004, 5000), 1U) << "the first of the first";
}

TEST(Doorstep, NetworksWhoseUidIsNotKnownAreCountedEachForItself) {
  Doorstep door;
  const auto flood = from("10.0.0.1");
  const std::uint64_t honest = 9001;
  EXPECT_EQ(door.add(honest, from("10.0.0.2")), 0U);
  for (std::uint64_t i = 1; i <= 3 * Doorstep::per_uid_max; ++i) EXPECT_NE(door.add(i, flood), honest);
  EXPECT_EQ(door.size(), Doorstep::per_uid_max + 1);
  EXPECT_TRUE(door.remove(honest, from("10.0.0.2")));
}

TEST(Origin, AnIPv6NetworkIsOneOriginAndAnIPv4AddressIsOne) {
  EXPECT_EQ(from("10.0.0.1").network.to_string(), "10.0.0.1");
  EXPECT_NE(from("10.0.0.1"), from("10.0.0.2"));
  EXPECT_EQ(from("2001:db8:1:2::5").network.to_string(), "2001:db8:1:2::/64");
  EXPECT_EQ(from("2001:db8:1:2::5"), from("2001:db8:1:2:ffff::6"));
  EXPECT_NE(from("2001:db8:1:2::5"), from("2001:db8:1:3::5"));
  EXPECT_EQ(Origin{}.network.to_string(), "");
}

}  // namespace
}  // namespace sallyport::broker::doorstep_test
