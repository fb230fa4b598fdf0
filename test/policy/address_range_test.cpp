// Which addresses a range admits, in both families.
#include "policy/address_range.h"

#include <gtest/gtest.h>

namespace sallyport::policy::address_range_test {
namespace {

bool admits(const std::string& range, const std::string& address) {
  const auto parsed = parse_address_range(range);
  EXPECT_TRUE(parsed.has_value()) << range;
  const auto ip = parse_ip_address(address);
  EXPECT_TRUE(ip.has_value()) << address;
  return parsed && ip && parsed->contains(*ip);
}

TEST(AddressRange, AdmitsItsNetworkAndNoOther) {
  EXPECT_TRUE(admits("10.0.0.0/8", "10.255.0.1"));
  EXPECT_FALSE(admits("10.0.0.0/8", "11.0.0.1"));
  EXPECT_TRUE(admits("192.0.2.128/25", "192.0.2.200"));
  EXPECT_FALSE(admits("192.0.2.128/25", "192.0.2.100"));
  EXPECT_TRUE(admits("192.0.2.7", "192.0.2.7"));
  EXPECT_FALSE(admits("192.0.2.7", "192.0.2.6"));
  EXPECT_TRUE(admits("2001:db8::/32", "2001:db8:1::5"));
  EXPECT_FALSE(admits("2001:db8::/33", "2001:db8:8000::5"));
  EXPECT_TRUE(admits("::1", "::1"));
}

TEST(AddressRange, MeansMappedAddressesToo) {
  EXPECT_TRUE(admits("10.0.0.0/8", "::ffff:10.1.2.3"));
  EXPECT_TRUE(admits("::ffff:10.0.0.0/104", "10.1.2.3"));
  EXPECT_FALSE(admits("10.0.0.0/8", "::10.1.2.3"));
}

TEST(AddressRange, OfZeroBitsAdmitsItsFamily) {
  EXPECT_TRUE(admits("0.0.0.0/0", "203.0.113.9"));
  EXPECT_FALSE(admits("0.0.0.0/0", "2001:db8::1"));
  EXPECT_TRUE(admits("::/0", "2001:db8::1"));
  EXPECT_TRUE(admits("::/0", "203.0.113.9"));
}

TEST(AddressRange, ContainsNarrowerRanges) {
  EXPECT_TRUE(parse_address_range("10.0.0.0/8")->contains(*parse_address_range("10.1.0.0/16")));
  EXPECT_FALSE(parse_address_range("10.1.0.0/16")->contains(*parse_address_range("10.0.0.0/8")));
}

TEST(AddressRange, SaysWhichRangeWasMeant) {
  const auto host = parse_address_range("10.1.2.3/8");
  ASSERT_FALSE(host.has_value());
  EXPECT_EQ(host.error().what, "has bits set behind its first 8");
  EXPECT_EQ(host.error().hint, "Write `10.0.0.0/8`, or `10.1.2.3` for this one address.");
  EXPECT_EQ(parse_address_range("2001:db8::1/64").error().hint,
            "Write `2001:db8::/64`, or `2001:db8::1` for this one address.");
}

TEST(AddressRange, RefusesWhatIsNone) {
  for (const std::string text :
       {"", "/8", "10.0.0.0/", "10.0.0.0/33", "10.0.0.0/-1", "10.0.0.0/8x", "::/129", "10.0.0", "localhost",
        "10.0.0.0/8/8", "[::1]", "fe80::1%eth0", "10.0.0.256", "010.0.0.1"}) {
    EXPECT_FALSE(parse_address_range(text).has_value()) << text;
  }
}

TEST(AddressRange, ReadsPeersAsSocketsPrintThem) {
  EXPECT_EQ(parse_peer_address("192.0.2.7:40112"), parse_ip_address("192.0.2.7"));
  EXPECT_EQ(parse_peer_address("[2001:db8::1]:40112"), parse_ip_address("2001:db8::1"));
  EXPECT_EQ(parse_peer_address("[fe80::1%3]:40112"), parse_ip_address("fe80::1"));
  for (const std::string text : {"", "unix:/run/x/.s.PGSQL.5432", "unix:", "memory", "x:1"}) {
    EXPECT_FALSE(parse_peer_address(text).has_value()) << text;
  }
}

}  // namespace
}  // namespace sallyport::policy::address_range_test
