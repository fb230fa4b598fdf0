// A configuration is served whole or not at all, and a broker never stands in its own way.
#include "cli/reload.h"

#include "test/net/pki.h"

#include <gtest/gtest.h>

#include <sys/socket.h>
#include <sys/un.h>

#include <cstring>
#include <filesystem>

namespace sallyport::cli::reload_test {
namespace {

namespace fs = std::filesystem;

class SilentLogger final : public Logger {
 public:
  void write(LogLevel, std::string_view, std::initializer_list<LogField>) override {}
};

bool can_connect(const std::string& path) {
  const net::UniqueFd fd{socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)};
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::strncpy(address.sun_path, path.c_str(), sizeof address.sun_path - 1);
  return connect(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) == 0;
}

/// A running broker, and configurations whose database is never asked for.
class Reload : public testing::Test {
 protected:
  void SetUp() override {
    RuntimeOptions options;
    options.audit = config({}).audit;
    options.environment = environment_;
    auto started = Runtime::start(context_, std::move(options));
    ASSERT_TRUE(started) << describe(started.error());
    runtime_ = std::move(*started);
    served_ = std::make_unique<ServedConfig>(*runtime_);
  }

  void TearDown() override {
    served_.reset();
    runtime_.reset();
  }

  config::Config config(const std::vector<std::uint16_t>& ports) const {
    config::Config made;
    made.audit.directory = base_.path() + "/audit";
    auto& target = made.targets["db"];
    target.name = "db";
    target.endpoints = {{"/nowhere", 5432}};
    target.roles["app"] = {"app", "file:/nowhere/secret", "app", {}, {}, {}};
    for (const auto port : ports) {
      Route route;
      route.name = "unix:" + directory_ + ":" + std::to_string(port);
      route.listen = UnixListen{directory_, port};
      route.target = "db";
      AllowRule rule;
      rule.uid = geteuid();
      route.allow.push_back(rule);
      made.routes.push_back(std::move(route));
    }
    return made;
  }

  AppliedConfig apply(config::Config fresh) {
    auto prepared = served_->prepare(std::move(fresh));
    EXPECT_TRUE(prepared) << describe(prepared.error());
    return prepared ? served_->apply(std::move(*prepared)) : AppliedConfig{};
  }

  std::string socket_of(std::uint16_t port) const { return directory_ + "/.s.PGSQL." + std::to_string(port); }
  std::size_t files() const {
    return static_cast<std::size_t>(
        std::distance(fs::directory_iterator{directory_}, fs::directory_iterator{}));
  }

  test::TemporaryDirectory base_;
  std::string directory_ = base_.path() + "/run";
  SystemClock clock_;
  SystemRandomness randomness_;
  SilentLogger logger_;
  std::shared_ptr<Environment> environment_ = std::make_shared<Environment>();
  Context context_{clock_, randomness_, logger_};
  std::unique_ptr<Runtime> runtime_;
  std::unique_ptr<ServedConfig> served_;
};

TEST_F(Reload, RouteThatIsRemovedLeavesNothingAndComesBack) {
  apply(config({5432, 5433}));
  EXPECT_EQ(apply(config({5432})).changed, "route unix:" + directory_ + ":5433 removed");
  EXPECT_FALSE(fs::exists(socket_of(5433)));
  EXPECT_TRUE(can_connect(socket_of(5432)));
  apply(config({5432, 5433}));
  EXPECT_TRUE(can_connect(socket_of(5433)));
}

TEST_F(Reload, ConfigurationThatFailsAtItsSecondRouteChangesNothing) {
  apply(config({5432}));
  ASSERT_TRUE(fs::create_directory(socket_of(5434)));  // in the way
  const auto failed = served_->prepare(config({5432, 5433, 5434}));
  ASSERT_FALSE(failed);
  EXPECT_FALSE(fs::exists(socket_of(5433)));
  EXPECT_EQ(served_->config().routes.size(), 1u);
  EXPECT_TRUE(can_connect(socket_of(5432)));
  fs::remove(socket_of(5434));
  apply(config({5432, 5433, 5434}));
  EXPECT_TRUE(can_connect(socket_of(5433)));
  EXPECT_TRUE(can_connect(socket_of(5434)));
}

TEST_F(Reload, ConfigurationThatIsDroppedChangesNothing) {
  apply(config({5432}));
  auto other = config({5433});
  other.targets.clear();
  { const auto dropped = served_->prepare(std::move(other)); }
  EXPECT_FALSE(fs::exists(socket_of(5433)));
  EXPECT_TRUE(can_connect(socket_of(5432)));
  runtime_->on_relay([](broker::Broker& broker) { EXPECT_NE(broker.find_target("db"), nullptr); });
}

TEST_F(Reload, TargetThatCannotBeOpenedOpensNoListener) {
  auto wrong = config({5432});
  wrong.targets["db"].roles["app"].auth = "nonsense:x";
  EXPECT_FALSE(served_->prepare(std::move(wrong)));
  EXPECT_FALSE(fs::exists(directory_));
}

TEST_F(Reload, RouteThatStaysKeepsItsSocket) {
  apply(config({5432}));
  struct stat before {};
  struct stat after {};
  ASSERT_EQ(stat(socket_of(5432).c_str(), &before), 0);
  auto other = config({5432});
  other.routes[0].allow[0].uid = geteuid() + 1;
  EXPECT_NE(apply(std::move(other)).changed, "nothing");
  ASSERT_EQ(stat(socket_of(5432).c_str(), &after), 0);
  EXPECT_EQ(before.st_ino, after.st_ino);
}

TEST_F(Reload, TargetThatIsGoneIsClosed) {
  apply(config({5432}));
  auto none = config({});
  none.targets.clear();
  apply(std::move(none));
  EXPECT_EQ(files(), 0u);
  runtime_->on_relay([](broker::Broker& broker) { EXPECT_EQ(broker.find_target("db"), nullptr); });
}

TEST_F(Reload, DirectoryThatWasReplacedIsOpenedAnew) {
  apply(config({5432}));
  fs::rename(directory_, directory_ + ".old");
  fs::create_directory(directory_);
  apply(config({5432, 5433}));
  EXPECT_TRUE(can_connect(socket_of(5433)));
}

TEST_F(Reload, WhatNeedsARestartIsSaidAsLongAsItDoes) {
  apply(config({5432}));
  auto moved = config({5432});
  moved.audit.directory = base_.path() + "/elsewhere";
  EXPECT_EQ(apply(moved).needs_restart, "audit.dir");
  EXPECT_EQ(served_->config().audit.directory, base_.path() + "/audit") << "what is in force";
  EXPECT_EQ(apply(moved).changed, "audit.dir changed: needs a restart") << "it still does";
  EXPECT_EQ(apply(config({5432})).changed, "nothing");
}

}  // namespace
}  // namespace sallyport::cli::reload_test
