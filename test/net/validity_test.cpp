// When certificates and revocation lists end, and when that is told.
#include "net/validity.h"

#include "test/net/pki.h"

#include <gtest/gtest.h>

#include <cmath>

namespace sallyport::net::validity_test {
namespace {

using namespace std::chrono_literals;
using namespace sallyport::test;

/// Whole days from now on, as the test's authority counts them.
long days_until(WallTime time) {
  return std::lround(std::chrono::duration<double>(time - std::chrono::system_clock::now()).count() / 86'400);
}

TEST(Validity, OfACertificateIsThatOfTheFirst) {
  const auto authority = make_authority("CA");
  const auto own = make_identity({.common_name = "app", .valid_until_days = 9}, &authority);
  const auto validity = validity_of_certificate(certificate_pem(own) + certificate_pem(authority));
  ASSERT_TRUE(validity.has_value());
  EXPECT_EQ(days_until(validity->from), -1);
  EXPECT_EQ(days_until(validity->until), 9);
  EXPECT_EQ(days_until(validity_of_certificate(key_pem(own) + certificate_pem(own))->until), 9);
}

TEST(Validity, OfListsIsThatOfTheOneThatEndsFirst) {
  const auto one = make_authority("CA 1"), other = make_authority("CA 2");
  const auto lists = crl_pem(one, {}, 30) + crl_pem(other, {}, 3) + crl_pem(one, {}, 7);
  EXPECT_EQ(days_until(validity_of_lists(lists)->until), 3);
  EXPECT_EQ(days_until(validity_of_lists(certificate_pem(one) + crl_pem(one, {}, 7))->until), 7);
}

TEST(Validity, OfAnythingElseIsNone) {
  const auto authority = make_authority("CA");
  for (const std::string text : {"", "half a certi", "-----BEGIN CERTIFICATE-----\nAAAA\n"}) {
    EXPECT_FALSE(validity_of_certificate(text).has_value()) << text;
    EXPECT_FALSE(validity_of_lists(text).has_value()) << text;
  }
  EXPECT_FALSE(validity_of_lists(certificate_pem(authority)).has_value());
  EXPECT_FALSE(validity_of_certificate(crl_pem(authority, {})).has_value());
}

TEST(Validity, IsToldAFifthOfItBeforeItsEndAndTwoWeeksAtTheMost) {
  const WallTime begin{1'800'000'000s};
  EXPECT_EQ(warn_ahead({begin, begin + 24h}), 4h + 48min);
  EXPECT_EQ(warn_ahead({begin, begin + std::chrono::days{365}}), std::chrono::days{14});
}

}  // namespace
}  // namespace sallyport::net::validity_test
