#include "net/dns.h"

#include <gtest/gtest.h>

namespace sallyport::net::dns_test {
namespace {

TEST(Dns, LiteralsNeedNoLookup) {
  EXPECT_EQ(resolve("10.0.0.1", 5432).value().at(0).to_string(), "10.0.0.1:5432");
  EXPECT_EQ(resolve("::1", 5432).value().at(0).to_string(), "[::1]:5432");
  EXPECT_EQ(resolve("[2001:db8::5]", 1).value().at(0).to_string(), "[2001:db8::5]:1");
  EXPECT_EQ(resolve("/run/postgresql", 5433).value().at(0).to_string(), "/run/postgresql/.s.PGSQL.5433");
  EXPECT_EQ(resolve("/run/postgresql/", 5433).value().at(0).path, "/run/postgresql/.s.PGSQL.5433");
}

TEST(Dns, LiteralsAreToldFromNames) {
  for (const auto* literal : {"127.0.0.1", "::1", "fe80::1%1", "::ffff:10.0.0.1"})
    EXPECT_TRUE(is_ip_literal(literal)) << literal;
  for (const auto* name : {"", "db", "127.0.0.1.example", "127.1", "0x7f000001", "1.2.3.4:5432", "/tmp",
                           "fe80::1%nowhere0", "[::1]"}) {
    EXPECT_FALSE(is_ip_literal(name)) << name;
  }
  EXPECT_FALSE(literal_address("[127.0.0.1]", 1).has_value());
}

TEST(Dns, NameIsLookedUpAndGetsThePort) {
  const auto addresses = resolve("localhost", 5432);
  ASSERT_TRUE(addresses.has_value()) << describe(addresses.error());
  for (const auto& address : *addresses) {
    EXPECT_TRUE(address.is_loopback()) << address.to_string();
    EXPECT_EQ(address.port, 5432);
  }
}

TEST(Dns, MissingNameIsToldFromANameServerThatIsSilent) {
  const auto missing = resolve("no-such-host.invalid", 5432);
  ASSERT_TRUE(missing.has_error());
  EXPECT_EQ(missing.error().hop, Hop::dns);
  EXPECT_EQ(missing.error().where, "no-such-host.invalid");
  if (missing.error().code == ErrorCode::retry_later)
    GTEST_SKIP() << "no name server here: " << missing.error().what;
  EXPECT_EQ(missing.error().code, ErrorCode::not_found);
}

TEST(Dns, NonsenseIsABadConfiguration) {
  EXPECT_EQ(resolve("", 1).error().code, ErrorCode::bad_config);
  EXPECT_EQ(resolve(std::string(300, 'a'), 1).error().code, ErrorCode::bad_config);
  EXPECT_EQ(resolve(std::string{"a\0b", 3}, 1).error().code, ErrorCode::bad_config);
  const auto long_path = resolve("/" + std::string(100, 'd'), 5432);
  ASSERT_TRUE(long_path.has_error());
  EXPECT_NE(long_path.error().what.find("longer than 107 bytes"), std::string::npos);
}

TEST(Dns, AddressSurvivesTheKernelsForm) {
  for (const auto* host : {"10.1.2.3", "2001:db8::1", "/tmp/x"}) {
    auto address = *literal_address(host, 77);
    sockaddr_storage storage{};
    const auto size = address.to_sockaddr(storage);
    const auto back = Address::from_sockaddr(storage, size);
    ASSERT_TRUE(back.has_value());
    EXPECT_EQ(back->to_string(), address.to_string());
  }
}

TEST(Dns, LoopbackAndLinkLocalAreRecognised) {
  struct Row {
    const char* host;
    bool loopback;
    bool link_local;
  };
  for (const auto& row :
       {Row{"127.255.0.9", true, false}, Row{"::1", true, false}, Row{"::ffff:127.0.0.1", true, false},
        Row{"169.254.169.254", false, true}, Row{"::ffff:169.254.169.254", false, true},
        Row{"fe80::1", false, true}, Row{"fd00:ec2::254", false, true}, Row{"fd00::1", false, false},
        Row{"10.0.0.1", false, false}, Row{"128.0.0.1", false, false}, Row{"::", false, false}}) {
    const auto address = literal_address(row.host, 1);
    ASSERT_TRUE(address.has_value()) << row.host;
    EXPECT_EQ(address->is_loopback(), row.loopback) << row.host;
    EXPECT_EQ(address->is_link_local(), row.link_local) << row.host;
  }
}

}  // namespace
}  // namespace sallyport::net::dns_test
