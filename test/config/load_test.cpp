// threat 14: who may write what we obey, a configuration and the files that it names. Real files below /tmp.
#include "config/config.h"

#include <gtest/gtest.h>

#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

namespace sallyport::config::load_test {
namespace {

class ConfigLoad : public ::testing::Test {
 protected:
  void SetUp() override {
    char name[] = "/tmp/sallyport-load-XXXXXX";
    ASSERT_NE(::mkdtemp(name), nullptr);
    root_ = name;
    ASSERT_EQ(::mkdir((root_ + "/etc").c_str(), 0755), 0);
    file_ = root_ + "/etc/sallyport.yaml";
    put(file_, "version: 1\n");
  }
  void TearDown() override { std::filesystem::remove_all(root_); }

  static void put(const std::string& path, const std::string& text) {
    std::ofstream{path} << text;
    ASSERT_EQ(::chmod(path.c_str(), 0644), 0);
  }

  std::string root_;
  std::string file_;
};

TEST_F(ConfigLoad, SaysWhichFileAndHow) {
  const auto now = WallTime{std::chrono::sys_days{std::chrono::year{2026} / 7 / 1}};
  EXPECT_TRUE(load(file_, now).has_value());
  ASSERT_EQ(::chmod(file_.c_str(), 0666), 0);
  const auto refused = load(file_, now);
  ASSERT_FALSE(refused.has_value());
  EXPECT_EQ(refused.error().at(0).where, file_);
  EXPECT_EQ(refused.error().at(0).what, "may be written by everybody (mode 0666)");
}

TEST_F(ConfigLoad, ChecksTheFilesThatTheConfigurationNames) {
  put(root_ + "/etc/ca.pem", "x");
  put(root_ + "/etc/program", "x");
  put(file_,
      "version: 1\ntargets:\n  t:\n    engine: postgresql\n    host: db.example.com\n    database: d\n"
      "    auth: exec:" +
          root_ + "/etc/program show\n    tls: {roots: " + root_ + "/etc/ca.pem}\n");
  const auto now = WallTime{std::chrono::sys_days{std::chrono::year{2026} / 7 / 1}};
  const auto good = load(file_, now);
  EXPECT_TRUE(good.has_value()) << good.error().at(0).what;
  ASSERT_EQ(::chmod((root_ + "/etc/ca.pem").c_str(), 0666), 0);
  ASSERT_EQ(::chmod((root_ + "/etc/program").c_str(), 0777), 0);
  const auto refused = load(file_, now);
  ASSERT_FALSE(refused.has_value());
  ASSERT_EQ(refused.error().size(), 2u);
  EXPECT_EQ(refused.error()[0].where, file_ + ":7:11");
  EXPECT_EQ(refused.error()[0].what, root_ + "/etc/program may be written by everybody (mode 0777)");
  EXPECT_EQ(refused.error()[1].where, file_ + ":8:18");
  EXPECT_EQ(refused.error()[1].what, root_ + "/etc/ca.pem may be written by everybody (mode 0666)");
}

TEST(ConfigFile, FlagThenEnvironmentThenDefaultAndNeverTheWorkingDirectory) {
  EXPECT_EQ(file_to_use("/a", "/b"), "/a");
  EXPECT_EQ(file_to_use("", "/b"), "/b");
  EXPECT_EQ(file_to_use("", ""), "/etc/sallyport/sallyport.yaml");
  EXPECT_EQ(file_to_use("", nullptr), "/etc/sallyport/sallyport.yaml");
}

}  // namespace
}  // namespace sallyport::config::load_test
