#include "trail_fixture.h"

#include "trail/denial_quota.h"

namespace sallyport::trail::denial_quota_test {
namespace {

using std::chrono::seconds;

MonotonicTime at(std::int64_t second) { return MonotonicTime{} + std::chrono::hours{1} + seconds{second}; }

TEST(TrailDenialQuota, RecordsTheFirstOnesAndCountsTheRest) {
  DenialQuota quota;
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(quota.on_denied(denial("no", i), "policy denied", at(i)));
  for (int i = 3; i < 10; ++i) EXPECT_FALSE(quota.on_denied(denial("no", i), "policy denied", at(i)));
  EXPECT_TRUE(quota.take_due(at(59)).empty());
  const auto due = quota.take_due(at(60));
  ASSERT_EQ(due.size(), 1U);
  EXPECT_EQ(due[0].kind, EventKind::session_denied);
  EXPECT_EQ(due[0].count, 7U);
  EXPECT_EQ(due[0].at, moment(9));
  EXPECT_EQ(due[0].duration_s, 6.0);
  EXPECT_EQ(due[0].reason, "no");
  EXPECT_EQ(due[0].verified.at("uid"), "1001");
  EXPECT_TRUE(due[0].claimed.empty());
}

TEST(TrailDenialQuota, ADenialThatStandsForManyCountsAsMany) {
  DenialQuota quota{{.singles_per_key = 1}};
  auto many = denial();
  many.count = 500;
  EXPECT_EQ(quota.on_denied(many, "turned away", at(0))->count, 500U);
  EXPECT_FALSE(quota.on_denied(many, "turned away", at(1)));
  EXPECT_FALSE(quota.on_denied(denial(), "turned away", at(2)));
  const auto due = quota.take_due(at(60));
  ASSERT_EQ(due.size(), 1U);
  EXPECT_EQ(due[0].count, 501U);
}

TEST(TrailDenialQuota, CountsEachRouteIdentityAndCauseApart) {
  DenialQuota quota{{.singles_per_key = 1}};
  auto other_uid = denial();
  other_uid.verified["uid"] = "7";
  auto other_route = denial();
  other_route.route = "tcp";
  for (const auto& event : {denial(), other_uid, other_route}) {
    EXPECT_TRUE(quota.on_denied(event, "policy denied", at(0)));
    EXPECT_FALSE(quota.on_denied(event, "policy denied", at(0)));
  }
  EXPECT_TRUE(quota.on_denied(denial(), "session timed_out", at(0)));
  EXPECT_FALSE(quota.on_denied(denial(), "session timed_out", at(0)));
  EXPECT_EQ(quota.take_due(at(60)).size(), 4U);
}

TEST(TrailDenialQuota, WhatAPeerSaysMakesNoCountOfItsOwn) {
  DenialQuota quota{{.singles_per_key = 1}};
  for (int i = 0; i < 1000; ++i) {
    (void)quota.on_denied(denial("database \"d" + std::to_string(i) + "\" is not among the targets"),
                          "policy denied", at(0));
  }
  const auto due = quota.take_due(at(60));
  ASSERT_EQ(due.size(), 1U);
  EXPECT_EQ(due[0].count, 999U);
  EXPECT_EQ(due[0].reason, "database \"d1\" is not among the targets") << "the first one that was counted";
}

TEST(TrailDenialQuota, WindowGrowsWhileAPeerGoesOnAndStartsAnewAfterQuiet) {
  DenialQuota quota;
  int records = 0;
  for (int second = 0; second < 86'400; ++second) {
    records += quota.on_denied(denial(), "policy denied", at(second)) ? 1 : 0;
    records += static_cast<int>(quota.take_due(at(second)).size());
  }
  EXPECT_LT(records, 40);
  EXPECT_GT(records, 25);  // an hour at most between two records
  (void)quota.take_due(at(86'400 + 3'600));
  (void)quota.take_due(at(86'400 + 2 * 3'600));
  (void)quota.take_due(at(86'400 + 4 * 3'600));
  EXPECT_FALSE(quota.next_due());
  EXPECT_TRUE(quota.on_denied(denial(), "policy denied", at(200'000)));
}

TEST(TrailDenialQuota, AMillionDenialsOfManyPeersCostSomeHundredRecordsAndCountAll) {
  DenialQuota quota;
  std::uint64_t counted = 0;
  std::size_t records = 0;
  for (int i = 0; i < 1'000'000; ++i) {
    auto event = denial();
    event.verified["uid"] = std::to_string(i % 5'000);
    if (quota.on_denied(event, "policy denied", at(i / 20'000))) {
      ++records;
      ++counted;
    }
  }
  for (const auto& event : quota.take_all()) {
    ++records;
    counted += *event.count;
  }
  EXPECT_EQ(counted, 1'000'000U);
  EXPECT_LT(records, 300U);
  EXPECT_FALSE(quota.next_due());
}

TEST(TrailDenialQuota, SaysWhenItHasSomethingToDo) {
  DenialQuota quota;
  EXPECT_FALSE(quota.next_due());
  (void)quota.on_denied(denial(), "policy denied", at(5));
  EXPECT_EQ(quota.next_due(), at(65));
}

}  // namespace
}  // namespace sallyport::trail::denial_quota_test
