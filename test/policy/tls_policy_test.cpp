#include "policy/tls_policy.h"

#include <gtest/gtest.h>

namespace sallyport::tls_policy_test {
namespace {

using namespace std::chrono_literals;

constexpr WallTime noon = std::chrono::sys_days{2026y / 11 / 25} + 12h;

TlsPolicy weaker(std::string until) {
  TlsPolicy policy;
  policy.mode = TlsMode::require;
  policy.weaker_reason = "the vendor's appliance has no certificate yet";
  policy.weaker_until = std::move(until);
  return policy;
}

std::string failure(const Result<void>& result) {
  return result.has_error() ? describe(result.error()) : "accepted";
}

TEST(TlsPolicy, DefaultsToVerifyFullAndNeedsNoReason) {
  EXPECT_EQ(TlsPolicy{}.mode, TlsMode::verify_full);
  EXPECT_TRUE(check(TlsPolicy{}, noon).has_value());
}

TEST(TlsPolicy, ModesReadBackAsWritten) {
  for (const auto* text : {"disable", "require", "verify-ca", "verify-full"}) {
    EXPECT_EQ(name_of(parse_tls_mode(text).value()), text);
  }
}

TEST(TlsPolicy, ModesThatFallBackAreRefusedWithTheReason) {
  for (const auto* text : {"prefer", "allow"}) {
    const auto mode = parse_tls_mode(text);
    ASSERT_TRUE(mode.has_error()) << text;
    EXPECT_EQ(mode.error().code, ErrorCode::bad_config);
    EXPECT_NE(mode.error().hint.find("falls back"), std::string::npos);
  }
}

TEST(TlsPolicy, UnknownModeIsQuotedWithoutControlCharacters) {
  const auto mode = parse_tls_mode("full\x1b[31m");
  ASSERT_TRUE(mode.has_error());
  EXPECT_EQ(mode.error().what, "\"full?[31m\" is no TLS mode");
  EXPECT_TRUE(parse_tls_mode("").has_error());
  EXPECT_TRUE(parse_tls_mode("Verify-Full").has_error());
}

TEST(TlsPolicy, WeakerModeNeedsAReason) {
  auto policy = weaker("2026-12-31");
  EXPECT_TRUE(check(policy, noon).has_value());
  policy.weaker_reason = "  ";
  EXPECT_NE(failure(check(policy, noon)).find("tls.reason: missing"), std::string::npos)
      << failure(check(policy, noon));
}

TEST(TlsPolicy, EveryModeButVerifyFullIsWeaker) {
  for (const auto mode : {TlsMode::disable, TlsMode::require, TlsMode::verify_ca}) {
    TlsPolicy policy;
    policy.mode = mode;
    EXPECT_TRUE(check(policy, noon).has_error()) << name_of(mode);
  }
}

TEST(TlsPolicy, WeakerModeNeedsAnEndDate) {
  EXPECT_NE(failure(check(weaker(""), noon)).find("tls.until: missing"), std::string::npos);
  for (const auto* text :
       {"soon", "2026-13-01", "2026-02-30", "31.12.2026", "2026-12-3", "2026-12-311", "-026-12-31"}) {
    EXPECT_NE(failure(check(weaker(text), noon)).find("no date"), std::string::npos) << text;
  }
}

TEST(TlsPolicy, EndDateIsInclusiveAndAtMostNinetyDaysAway) {
  EXPECT_TRUE(check(weaker("2026-11-25"), noon).has_value());
  EXPECT_NE(failure(check(weaker("2026-11-24"), noon)).find("has passed"), std::string::npos);
  EXPECT_TRUE(check(weaker("2027-02-23"), noon).has_value());
  EXPECT_NE(failure(check(weaker("2027-02-24"), noon)).find("more than 90 days"), std::string::npos);
  EXPECT_NE(failure(check(weaker("2027-02-24"), noon)).find("2027-02-23"), std::string::npos);
}

TEST(TlsPolicy, MinimumVersionIsOneOfTwo) {
  TlsPolicy policy;
  policy.min_version = "1.3";
  EXPECT_TRUE(check(policy, noon).has_value());
  policy.min_version = "1.1";
  EXPECT_NE(failure(check(policy, noon)).find("tls.min_version"), std::string::npos);
}

TEST(TlsPolicy, ClientCertificateAndKeyComeTogether) {
  TlsPolicy policy;
  policy.client_certificate_file = "/etc/sallyport/client.crt";
  EXPECT_NE(failure(check(policy, noon)).find("tls.client_key: missing"), std::string::npos);
  policy.client_key_file = "/etc/sallyport/client.key";
  EXPECT_TRUE(check(policy, noon).has_value());
}

}  // namespace
}  // namespace sallyport::tls_policy_test
