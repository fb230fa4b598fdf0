#include "net/porter.h"

#include "base/trusted_file.h"
#include "net/file_reader.h"
#include "net/sandbox.h"
#include "test/net/pki.h"
#include "test/net/processes.h"

#include <gtest/gtest.h>

#include <sys/stat.h>

#include <filesystem>

namespace sallyport::net::porter_test {
namespace {

namespace fs = std::filesystem;
using sallyport::test::Child;
using sallyport::test::receive_value;
using sallyport::test::send_value;
using sallyport::test::TemporaryDirectory;

class PorterProcess : public testing::Test {
 protected:
  void SetUp() override {
    fs::create_directory(at("allowed"));
    fs::create_directory(at("hidden"));
    base_.write("allowed/file", "allowed", 0600);
    base_.write("hidden/file", "hidden", 0600);
    fs::create_symlink(at("hidden/file"), at("allowed/link"));
    fs::create_symlink(at("allowed/file"), at("hidden/link"));
  }

  [[nodiscard]] std::string at(const std::string& name) const { return base_.path() + "/" + name; }
  [[nodiscard]] std::unique_ptr<Porter> porter() const {
    return Porter::fork_now(
               [allowed = at("allowed/")](const std::string& path) { return path.starts_with(allowed); })
        .value();
  }
  /// What stands in the file; "errno N" where it is not opened.
  static std::string content_by(Porter& porter, const std::string& path) {
    const UniqueFd file{porter.open(path)};
    if (!file.valid()) return "errno " + std::to_string(errno);
    char text[64];
    const auto size = read(file.get(), text, sizeof text);
    return {text, static_cast<std::size_t>(std::max<ssize_t>(size, 0))};
  }

  TemporaryDirectory base_;
};

TEST_F(PorterProcess, OpensWhatItsGateLetsThroughAndNothingElse) {
  const auto opener = porter();
  const auto refused = "errno " + std::to_string(EACCES);
  EXPECT_EQ(content_by(*opener, at("allowed/file")), "allowed");
  EXPECT_EQ(content_by(*opener, at("hidden/file")), refused);
  EXPECT_EQ(content_by(*opener, at("allowed/../hidden/file")), refused);
  EXPECT_EQ(content_by(*opener, at("allowed/link")), refused) << "where it leads counts";
  EXPECT_EQ(content_by(*opener, at("hidden/link")), "allowed");
  EXPECT_EQ(content_by(*opener, at("allowed")), refused) << "a directory";
  EXPECT_EQ(content_by(*opener, "/dev/null"), refused) << "a device";
  EXPECT_EQ(content_by(*opener, at("allowed/none")), "errno " + std::to_string(ENOENT));
  EXPECT_EQ(content_by(*opener, std::string(8192, 'x')), "errno " + std::to_string(ENAMETOOLONG));
  EXPECT_EQ(content_by(*opener, at("allowed/file")), "allowed") << "and goes on";
}

TEST_F(PorterProcess, OpensNothingOfProcAndNothingByItsLinks) {
  const auto opener = Porter::fork_now([](const std::string&) { return true; }).value();
  const auto refused = "errno " + std::to_string(EACCES);
  fs::create_symlink("/proc/self/environ", at("allowed/environment"));
  fs::create_symlink("/proc/self/root", at("allowed/root"));
  const auto broker = "/proc/" + std::to_string(getpid());
  const UniqueFd held{open(at("hidden/file").c_str(), O_RDONLY | O_CLOEXEC)};
  const auto by_number = broker + "/fd/" + std::to_string(held.get());
  for (const auto& path :
       {std::string{"/proc/self/environ"}, std::string{"/proc/1/environ"}, broker + "/maps", broker + "/mem",
        std::string{"//proc/self/environ"}, std::string{"/proc/../proc/self/environ"},
        "/etc/.." + broker + "/environ", std::string{"/proc/sys/kernel/ostype"}, at("allowed/environment"),
        broker + "/root" + at("allowed/file"), "/" + broker + "/root" + at("allowed/file"),
        "/." + broker + "/cwd/../../../../../../../.." + at("allowed/file"), by_number, "/" + by_number,
        at("allowed/root") + at("allowed/file"), std::string{"/dev/fd/0"}}) {
    EXPECT_EQ(content_by(*opener, path), refused) << path;
  }
  EXPECT_EQ(content_by(*opener, at("hidden/link")), "allowed") << "other links are followed";
}

TEST_F(PorterProcess, GivesDescriptorsThatOnlyRead) {
  const auto opener = porter();
  const UniqueFd file{opener->open(at("allowed/file"))};
  ASSERT_TRUE(file.valid());
  EXPECT_EQ(fcntl(file.get(), F_GETFL) & O_ACCMODE, O_RDONLY);
  EXPECT_EQ(fcntl(file.get(), F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
}

TEST_F(PorterProcess, ServesReadersInsideTheSandbox) {
  if (landlock_version() == 0) GTEST_SKIP() << "this kernel has no Landlock";
  const Child child{[&](int channel) {
    const std::shared_ptr<Porter> opener = porter();
    if (!enter_sandbox({{"/proc", FileUse::read}}, true)) _exit(1);
    const FileOpener outside = [opener](const std::string& path) { return opener->open(path); };
    send_value(channel, read_file({at("allowed/file")}).has_error());
    send_value(channel, read_file({at("allowed/file")}, outside).value().reveal() == "allowed");
    send_value(channel, read_file({at("hidden/file")}, outside).has_error());
    send_value(channel, read_trusted_file(at("allowed/file"), 100).has_error());
    send_value(channel, read_trusted_file(at("allowed/file"), 100, outside).value() == "allowed");
    send_value(channel, read_trusted_file(at("hidden/file"), 100, outside).has_error());
  }};
  for (int claim = 0; claim < 6; ++claim) EXPECT_TRUE(receive_value<bool>(child.channel())) << claim;
}

TEST(TrustedFile, IsReadOnlyIfWhoOpensItOutsideCameToTheSameFile) {
  if (landlock_version() == 0) GTEST_SKIP() << "this kernel has no Landlock";
  const TemporaryDirectory base;
  const auto meant = base.write("meant", "meant", 0600);
  const auto other = base.write("other", "other", 0600);
  const UniqueFd ready{open(other.c_str(), O_RDONLY | O_CLOEXEC)};
  const Child child{[&](int channel) {
    if (!enter_sandbox({{"/proc", FileUse::read}}, true)) _exit(1);
    const FileOpener wrong = [&](const std::string&) { return dup(ready.get()); };
    send_value(channel, read_trusted_file(meant, 100, wrong).has_error());
  }};
  EXPECT_TRUE(receive_value<bool>(child.channel()));
}

}  // namespace
}  // namespace sallyport::net::porter_test
