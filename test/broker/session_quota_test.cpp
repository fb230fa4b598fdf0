// Limits on sessions: each holds, and a place that is given up is there for the next.
#include "broker/session_quota.h"

#include <gtest/gtest.h>

namespace sallyport::broker::session_quota_test {
namespace {

using namespace std::chrono_literals;

Route route(std::size_t all, std::size_t each, std::size_t per_second) {
  Route out;
  out.name = "unix:/run/a:5432";
  AllowRule rule;
  rule.connections_max = each;
  out.allow = {rule};
  out.connections_max = all;
  out.connections_per_second_max = per_second;
  return out;
}

policy::Decision decision(const std::string& identity) {
  policy::Decision out;
  out.identity = identity;
  return out;
}

const MonotonicTime start{1h};

TEST(SessionQuota, WithoutLimitsCountsAndRefusesNobody) {
  SessionQuota quota;
  std::vector<SessionQuota::Place> places;
  for (int i = 0; i < 1000; ++i) {
    auto place = quota.take(route(0, 0, 0), decision("uid:1"), start);
    ASSERT_TRUE(place.has_value());
    places.push_back(std::move(*place));
  }
}

TEST(SessionQuota, OneIdentityHasItsLimitAndTheOthersTheirs) {
  SessionQuota quota;
  const auto limited = route(0, 2, 0);
  auto first = quota.take(limited, decision("uid:1"), start);
  auto second = quota.take(limited, decision("uid:1"), start);
  const auto third = quota.take(limited, decision("uid:1"), start);
  ASSERT_FALSE(third.has_value());
  EXPECT_EQ(third.error().code, ErrorCode::limit_exceeded);
  EXPECT_EQ(third.error().sqlstate, "53300");
  EXPECT_EQ(third.error().what, "2 sessions of this identity, as many as it may have");
  EXPECT_TRUE(quota.take(limited, decision("uid:2"), start).has_value());
  first->give_up();
  first->give_up();  // once is enough
  EXPECT_TRUE(quota.take(limited, decision("uid:1"), start).has_value());
}

TEST(SessionQuota, ARouteHasItsLimitOverAllIdentities) {
  SessionQuota quota;
  const auto limited = route(2, 0, 0);
  auto first = quota.take(limited, decision("uid:1"), start);
  {
    auto second = quota.take(limited, decision("uid:2"), start);
    EXPECT_EQ(quota.take(limited, decision("uid:3"), start).error().what,
              "2 sessions on this route, as many as it may have");
    auto other = limited;
    other.name = "unix:/run/b:5432";
    EXPECT_TRUE(quota.take(other, decision("uid:3"), start).has_value());
  }
  EXPECT_TRUE(quota.take(limited, decision("uid:3"), start).has_value());
  // A reload lowers it: those there are stay, nobody new comes.
  EXPECT_FALSE(quota.take(route(1, 0, 0), decision("uid:3"), start).has_value());
}

TEST(SessionQuota, NewSessionsASecondAreABucketThatFills) {
  SessionQuota quota;
  const auto limited = route(0, 0, 5);
  for (int i = 0; i < 5; ++i) EXPECT_TRUE(quota.take(limited, decision("uid:1"), start).has_value()) << i;
  const auto sixth = quota.take(limited, decision("uid:1"), start);
  ASSERT_FALSE(sixth.has_value());
  EXPECT_EQ(sixth.error().what, "more than 5 new sessions in a second on this route");
  EXPECT_FALSE(quota.take(limited, decision("uid:1"), start + 150ms).has_value());
  EXPECT_TRUE(quota.take(limited, decision("uid:1"), start + 250ms).has_value());
  for (int i = 0; i < 5; ++i)
    EXPECT_TRUE(quota.take(limited, decision("uid:1"), start + 1h).has_value()) << i;
  EXPECT_FALSE(quota.take(limited, decision("uid:1"), start + 1h).has_value())
      << "an hour saves up one second";
}

TEST(SessionQuota, EachLimitIsCountedUnderAWordOfItsOwn) {
  SessionQuota quota;
  const auto refused_by = [&](const Route& limited) -> std::string {
    const auto first = quota.take(limited, decision("uid:1"), start);
    const auto second = quota.take(limited, decision("uid:1"), start);
    return second ? "nothing" : std::string{SessionQuota::limit_of(second.error())};
  };
  EXPECT_EQ(refused_by(route(1, 0, 0)), "connections_max");
  EXPECT_EQ(refused_by(route(0, 1, 0)), "identity_connections_max");
  EXPECT_EQ(refused_by(route(0, 0, 1)), "connections_per_second_max");
  EXPECT_EQ(SessionQuota::limit_of({ErrorCode::limit_exceeded, Hop::pool, {}, {}, {}, {}}), "");
  EXPECT_EQ(SessionQuota::limit_of({ErrorCode::limit_exceeded, Hop::policy, {}, {}, {}, {}}), "");
}

TEST(SessionQuota, WhoIsRefusedByACountTakesNoToken) {
  SessionQuota quota;
  const auto limited = route(1, 0, 2);
  auto first = quota.take(limited, decision("uid:1"), start);
  for (int i = 0; i < 10; ++i) EXPECT_FALSE(quota.take(limited, decision("uid:1"), start).has_value());
  first->give_up();
  EXPECT_TRUE(quota.take(limited, decision("uid:1"), start).has_value());
}

}  // namespace
}  // namespace sallyport::broker::session_quota_test
