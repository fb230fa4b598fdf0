// What `sallyport status --format json` says of a target.
#include "admin/status_json.h"

#include "test/admin/sample_status.h"

#include <gtest/gtest.h>

namespace sallyport::admin::status_json_test {
namespace {

TEST(StatusJson, ATargetSaysHowItPoolsAndHowItsHostsStand) {
  auto status = test::sample_status();
  status.targets.front().pool.shared_by_role = true;
  status.targets.front().pool.share_reason = "one application";
  const auto target = to_json(status)["targets"][0];
  EXPECT_EQ(
      target["pooling"].dump(),
      R"({"mode":"transaction","on_session_state":"pin","share":"role","share_reason":"one application"})");
  const auto& hosts = target["hosts"];
  EXPECT_EQ(hosts[0]["host"], "db1:5432");
  EXPECT_EQ(hosts[0]["state"], "failed");
  EXPECT_EQ(hosts[0]["backed_off_s"], 30.0);
  EXPECT_EQ(hosts[0]["backed_off_until"], format_utc(status.at + std::chrono::seconds{30}));
  EXPECT_EQ(hosts[1].dump(), R"({"host":"db2:5432","state":"serving"})");
  EXPECT_EQ(target["in_use"], 2);
}

TEST(StatusJson, SessionPoolingNamesNoStateAndNoReasonWhereNothingIsShared) {
  auto status = test::sample_status();
  status.targets.front().pool = {};
  EXPECT_EQ(to_json(status)["targets"][0]["pooling"].dump(), R"({"mode":"session","share":"identity"})");
}

}  // namespace
}  // namespace sallyport::admin::status_json_test
