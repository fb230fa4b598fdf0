#include "net/file_reader.h"

#include "test/net/pki.h"

#include <gtest/gtest.h>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <thread>

namespace sallyport::net::file_reader_test {
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
  EXPECT_EQ(read_file({directory_.write("open", "x", 0644), 100, FileTrust::any}).value().reveal(), "x");
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

TEST_F(FileReader, WhatIsObeyedMayBeReadByAllAndWrittenByNobodyElse) {
  const auto trusted = [](const std::string& path) {
    return read_file({path, 100, FileTrust::only_we_write});
  };
  const auto path = directory_.write("config", "x", 0644);
  EXPECT_EQ(trusted(path).value().reveal(), "x");
  ASSERT_EQ(chmod(path.c_str(), 0666), 0);
  EXPECT_EQ(trusted(path).error().code, ErrorCode::bad_config);
  EXPECT_EQ(trusted(path).error().where, path);
  EXPECT_TRUE(contains(failure(trusted(path)), "chmod go-w " + path)) << failure(trusted(path));
  ASSERT_EQ(chmod(path.c_str(), 0644), 0);
  ASSERT_EQ(mkdir((directory_.path() + "/open").c_str(), 0755), 0);
  ASSERT_EQ(chmod((directory_.path() + "/open").c_str(), 0777), 0);
  EXPECT_TRUE(contains(failure(trusted(directory_.write("open/config", "x", 0644))), "/open may be written"));
  EXPECT_EQ(trusted(directory_.path() + "/none").error().code, ErrorCode::not_found);
  EXPECT_EQ(read_file({path, 0, FileTrust::only_we_write}).error().code, ErrorCode::limit_exceeded);
  if (geteuid() != 0) return;
  ASSERT_EQ(chown(path.c_str(), 12345, 0), 0);
  EXPECT_TRUE(contains(failure(trusted(path)), "belongs to uid 12345"));
  EXPECT_TRUE(contains(failure(trusted(path)), "give it to root")) << failure(trusted(path));
}

TEST_F(FileReader, WhatIsObeyedMayComeOutOfAMountedVolumeOrAnInheritedPipe) {
  const auto volume = directory_.path() + "/volume";
  ASSERT_EQ(mkdir(volume.c_str(), 0755), 0);
  ASSERT_EQ(chmod(volume.c_str(), 01777), 0);
  ASSERT_EQ(mkdir((volume + "/..2026").c_str(), 0755), 0);
  directory_.write("volume/..2026/config", "x", 0644);
  ASSERT_EQ(symlink("..2026", (volume + "/..data").c_str()), 0);
  ASSERT_EQ(symlink("..data/config", (volume + "/config").c_str()), 0);
  EXPECT_EQ(read_file({volume + "/config", 100, FileTrust::only_we_write}).value().reveal(), "x");
  int ends[2];
  ASSERT_EQ(pipe(ends), 0);
  ASSERT_EQ(write(ends[1], "y", 1), 1);
  close(ends[1]);
  const auto inherited = "/proc/self/fd/" + std::to_string(ends[0]);
  EXPECT_EQ(read_file({inherited, 100, FileTrust::only_we_write}).value().reveal(), "y");
  close(ends[0]);
  const auto named = directory_.path() + "/pipe";
  ASSERT_EQ(mkfifo(named.c_str(), 0666), 0);
  EXPECT_TRUE(contains(failure(read_file({named, 100, FileTrust::only_we_write})), "not a regular file"));
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
  EXPECT_EQ(read_file({"/proc/self/status", 10, FileTrust::any}).error().code, ErrorCode::limit_exceeded);
  EXPECT_GT(read_file({"/proc/self/status", 65'536, FileTrust::any}).value().size(), 100U);
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

}  // namespace
}  // namespace sallyport::net::file_reader_test
