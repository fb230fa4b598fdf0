// Whom a configuration lets one expect.
#include "cli/expected_clients.h"

#include <gtest/gtest.h>

namespace sallyport::cli::expected_clients_test {
namespace {

using Expected = std::map<std::pair<std::string, std::string>, std::vector<broker::ExpectedClient>>;
using namespace std::chrono_literals;

/// A Monday, 00:00 UTC.
const WallTime monday{std::chrono::seconds{1'796'601'600}};

AllowRule user(std::uint32_t uid, const char* role) {
  AllowRule rule;
  rule.uid = uid;
  rule.role = role;
  return rule;
}

config::Config two_routes() {
  config::Config config;
  auto& target = config.targets["db"];
  target.name = "db";
  target.databases = {"app", "reports"};
  target.roles["rw"].name = "rw";
  target.roles["ro"].name = "ro";
  for (const auto* name : {"one", "two"}) {
    auto& route = config.routes.emplace_back();
    route.name = name;
    route.target = "db";
    route.allow = {user(1000, "rw"), user(1001, "ro")};
  }
  return config;
}

TEST(ExpectedClients, EachIdentityOnceByTargetAndRole) {
  EXPECT_EQ(expected_clients(two_routes(), monday),
            (Expected{{{"db", "ro"}, {{"uid:1001", "app"}}}, {{"db", "rw"}, {{"uid:1000", "app"}}}}));
}

TEST(ExpectedClients, InTheFirstDatabaseThatItsRuleGives) {
  auto config = two_routes();
  config.routes.pop_back();
  auto& rules = config.routes.front().allow;
  rules = {user(1000, "rw"), user(1000, "rw")};
  rules.back().databases = {"reports"};
  EXPECT_EQ(expected_clients(config, monday),
            (Expected{{{"db", "rw"}, {{"uid:1000", "app"}, {"uid:1000", "reports"}}}}));
}

TEST(ExpectedClients, NobodyByARuleThatIsClosedNow) {
  auto config = two_routes();
  config.routes.pop_back();
  config.routes.front().allow.back().hours = {*policy::parse_hours("Mon 08:00-18:00 UTC")};
  EXPECT_FALSE(expected_clients(config, monday + 7h).contains({"db", "ro"}));
  EXPECT_TRUE(expected_clients(config, monday + 9h).contains({"db", "ro"}));
}

TEST(ExpectedClients, WhoeverComesWhereIdentitiesShareConnections) {
  auto config = two_routes();
  config.targets["db"].pool.shared_by_role = true;
  AllowRule group;
  group.gid = 50;
  group.role = "ro";
  config.routes.front().allow = {group};
  config.routes.pop_back();
  EXPECT_EQ(expected_clients(config, monday).at({"db", "ro"}).size(), 1u);
}

}  // namespace
}  // namespace sallyport::cli::expected_clients_test
