#include "net/file_reader.h"

#include "test/net/pki.h"

#include <gtest/gtest.h>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <thread>

namespace sallyport::net {
namespace {

using sallyport::test::TemporaryDirectory;

std::string failure(const Result<Secret>& result) {
  return result.has_error() ? describe(result.error()) : "read";
}
std::string failure(const Result<void>& result) {
  return result.has_error() ? describe(result.error()) : "trusted";
}

bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

class FileReader : public testing::Test {
 protected:
  TemporaryDirectory directory_;
};

TEST_F(FileReader, ReadsAPrivateFileWhole) {
  const auto path = directory_.write("secret", std::string("p\0w\n", 4));
  EXPECT_EQ(read_file({path}).value().reveal(), std::string_view("p\0w\n", 4));
  EXPECT_EQ(read_file({directory_.write("empty", "")}).value().size(), 0U);
}

TEST_F(FileReader, RefusesAFileThatOthersCanReadOrWrite) {
  for (const int mode : {0644, 0604, 0602, 0666}) {
    const auto path = directory_.write("open", "canary-secret", mode);
    const auto text = failure(read_file({path}));
    EXPECT_TRUE(contains(text, "Run: chmod o-rwx " + path)) << text;
    EXPECT_FALSE(contains(text, "canary")) << text;
  }
  EXPECT_TRUE(read_file({directory_.write("group", "x", 0640)}).has_value());
  EXPECT_EQ(read_file({directory_.write("open", "x", 0644), 100, false}).value().reveal(), "x");
}

TEST_F(FileReader, RefusesAFileThatSomebodyElseOwns) {
  if (geteuid() != 0) GTEST_SKIP() << "needs root";
  const auto path = directory_.write("foreign", "x");
  ASSERT_EQ(chown(path.c_str(), 12345, 0), 0);
  EXPECT_TRUE(contains(failure(read_file({path})), "belongs to uid 12345"));
  ASSERT_EQ(chown(path.c_str(), 0, 12345), 0);
  ASSERT_EQ(chmod(path.c_str(), 0660), 0);
  EXPECT_TRUE(contains(failure(read_file({path})), "lets group 12345 write it"));
}

TEST_F(FileReader, FollowsLinksAndJudgesTheFileAtTheirEnd) {
  const auto path = directory_.write("data", "x", 0600);
  const auto link = directory_.path() + "/link";
  ASSERT_EQ(symlink("data", link.c_str()), 0);
  EXPECT_EQ(read_file({link}).value().reveal(), "x");
  ASSERT_EQ(chmod(path.c_str(), 0644), 0);
  EXPECT_TRUE(contains(failure(read_file({link})), "mode 0644"));
}

TEST_F(FileReader, LimitIsExact) {
  const auto path = directory_.write("secret", "12345678");
  EXPECT_EQ(read_file({path, 8}).value().reveal(), "12345678");
  EXPECT_EQ(read_file({path, 7}).error().code, ErrorCode::limit_exceeded);
  EXPECT_TRUE(contains(failure(read_file({path, 7})), "limit of 7 bytes"));
  EXPECT_EQ(read_file({"/proc/self/status", 10, false}).error().code, ErrorCode::limit_exceeded);
  EXPECT_GT(read_file({"/proc/self/status", 65'536, false}).value().size(), 100U);
}

TEST_F(FileReader, SaysWhatIsThereInsteadOfAFile) {
  EXPECT_EQ(read_file({directory_.path() + "/none"}).error().code, ErrorCode::not_found);
  EXPECT_TRUE(contains(failure(read_file({directory_.path()})), "is a directory"));
  EXPECT_TRUE(contains(failure(read_file({"/dev/zero"})), "neither a regular file nor a pipe"));
  EXPECT_EQ(read_file({""}).error().code, ErrorCode::bad_config);
  const auto circle = directory_.path() + "/circle";
  ASSERT_EQ(symlink("circle", circle.c_str()), 0);
  EXPECT_TRUE(contains(failure(read_file({circle})), "circle"));
}

TEST_F(FileReader, ReadsAPipeToItsEnd) {
  const auto path = directory_.path() + "/pipe";
  ASSERT_EQ(mkfifo(path.c_str(), 0600), 0);
  std::thread writer{[&] {
    const int fd = open(path.c_str(), O_WRONLY | O_CLOEXEC);
    EXPECT_EQ(write(fd, "half", 4), 4);
    std::this_thread::sleep_for(std::chrono::milliseconds{30});
    EXPECT_EQ(write(fd, "half", 4), 4);
    close(fd);
  }};
  EXPECT_EQ(read_file({path}).value().reveal(), "halfhalf");
  writer.join();
}

TEST_F(FileReader, StampChangesWithTheFile) {
  const auto path = directory_.write("secret", "one");
  const auto before = stamp_of(path).value();
  EXPECT_EQ(stamp_of(path).value(), before);
  // Replaced by another file of the same size and times: Kubernetes and editors do it by rename.
  const auto other = directory_.write("other", "two");
  const timespec times[2] = {{before.modified_ns / 1'000'000'000, before.modified_ns % 1'000'000'000},
                             {before.modified_ns / 1'000'000'000, before.modified_ns % 1'000'000'000}};
  ASSERT_EQ(utimensat(AT_FDCWD, other.c_str(), times, 0), 0);
  ASSERT_EQ(rename(other.c_str(), path.c_str()), 0);
  EXPECT_NE(stamp_of(path).value(), before);
  EXPECT_EQ(stamp_of(directory_.path() + "/none").error().code, ErrorCode::not_found);
}

class TrustedPath : public FileReader {};

TEST_F(TrustedPath, AcceptsOursAndRootsEvenBelowTmp) {
  EXPECT_EQ(failure(check_trusted_path("/")), "trusted");
  EXPECT_EQ(failure(check_trusted_path("/usr/bin/env")), "trusted");
  EXPECT_EQ(failure(check_trusted_path(directory_.write("ca.pem", "x", 0644))), "trusted");
}

TEST_F(TrustedPath, RefusesAFileThatOthersMayWrite) {
  const auto path = directory_.write("ca.pem", "x", 0646);
  EXPECT_TRUE(
      contains(failure(check_trusted_path(path)), "can be changed by every user. Run: chmod o-w " + path))
      << failure(check_trusted_path(path));
}

TEST_F(TrustedPath, RefusesADirectoryOnTheWayThatOthersMayWrite) {
  const auto inner = directory_.path() + "/open";
  ASSERT_EQ(mkdir(inner.c_str(), 0700), 0);
  ASSERT_EQ(chmod(inner.c_str(), 0777), 0);
  const auto path = directory_.write("open/ca.pem", "x");
  EXPECT_TRUE(contains(failure(check_trusted_path(path)),
                       "leads through " + inner + ", which can be changed by every user"))
      << failure(check_trusted_path(path));
}

TEST_F(TrustedPath, RefusesForeignOwnersAndGroups) {
  if (geteuid() != 0) GTEST_SKIP() << "needs root";
  const auto path = directory_.write("ca.pem", "x", 0644);
  ASSERT_EQ(chown(path.c_str(), 12345, 0), 0);
  EXPECT_TRUE(contains(failure(check_trusted_path(path)), "belongs to uid 12345"));
  ASSERT_EQ(chown(path.c_str(), 0, 12345), 0);
  ASSERT_EQ(chmod(path.c_str(), 0664), 0);
  EXPECT_TRUE(contains(failure(check_trusted_path(path)), "can be changed by group 12345. Run: chmod g-w "));
  ASSERT_EQ(chown(path.c_str(), 0, 0), 0);
  EXPECT_EQ(failure(check_trusted_path(path)), "trusted");
  ASSERT_EQ(chown(directory_.path().c_str(), 12345, 0), 0);
  EXPECT_TRUE(contains(failure(check_trusted_path(path)), "leads through " + directory_.path()));
}

TEST_F(TrustedPath, LooksAtWhatALinkLeadsThrough) {
  const auto open_directory = directory_.path() + "/open";
  ASSERT_EQ(mkdir(open_directory.c_str(), 0700), 0);
  ASSERT_EQ(chmod(open_directory.c_str(), 0777), 0);
  const auto real = directory_.write("real.pem", "x");
  ASSERT_EQ(symlink("../real.pem", (open_directory + "/hop").c_str()), 0);
  const auto link = directory_.path() + "/ca.pem";
  ASSERT_EQ(symlink("open/hop", link.c_str()), 0);
  EXPECT_TRUE(contains(failure(check_trusted_path(link)), "leads through " + open_directory))
      << failure(check_trusted_path(link));
  ASSERT_EQ(chmod(open_directory.c_str(), 0755), 0);
  EXPECT_EQ(failure(check_trusted_path(link)), "trusted");
}

TEST_F(TrustedPath, RefusesAStickyDirectoryThatIsNotRoots) {
  if (geteuid() != 0) GTEST_SKIP() << "needs root";
  const auto inner = directory_.path() + "/sticky";
  ASSERT_EQ(mkdir(inner.c_str(), 0700), 0);
  ASSERT_EQ(chmod(inner.c_str(), 01777), 0);
  const auto path = directory_.write("sticky/ca.pem", "x");
  EXPECT_EQ(failure(check_trusted_path(path)), "trusted");
  ASSERT_EQ(chown(inner.c_str(), 12345, 0), 0);
  EXPECT_NE(failure(check_trusted_path(path)), "trusted");
}

TEST_F(TrustedPath, EndsOnCirclesAndMissingFiles) {
  const auto circle = directory_.path() + "/circle";
  ASSERT_EQ(symlink("circle", circle.c_str()), 0);
  EXPECT_TRUE(contains(failure(check_trusted_path(circle)), "circle"));
  EXPECT_EQ(check_trusted_path(directory_.path() + "/none").error().code, ErrorCode::not_found);
  EXPECT_TRUE(contains(failure(check_trusted_path("relative")), "no absolute path"));
}

}  // namespace
}  // namespace sallyport::net
