// threat 14: who may write what we obey. Real files in a directory of its own below /tmp.
#include "base/trusted_file.h"

#include <gtest/gtest.h>

#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

namespace sallyport::trusted_file_test {
namespace {

namespace fs = std::filesystem;

class TrustedFile : public ::testing::Test {
 protected:
  void SetUp() override {
    char name[] = "/tmp/sallyport-trusted-XXXXXX";
    ASSERT_NE(::mkdtemp(name), nullptr);
    root_ = name;
    ASSERT_EQ(::mkdir((root_ + "/etc").c_str(), 0755), 0);
    file_ = root_ + "/etc/sallyport.yaml";
    put(file_, "version: 1\n");
  }
  void TearDown() override { fs::remove_all(root_); }

  static void put(const std::string& path, const std::string& text) {
    std::ofstream{path} << text;
    ASSERT_EQ(::chmod(path.c_str(), 0644), 0);
  }

  /// "what. hint" of the error, or the content.
  static std::string outcome(const std::string& path, std::size_t bytes_max = 1'000) {
    const auto content = read_trusted_file(path, bytes_max);
    return content.has_value() ? *content : content.error().what + ". " + content.error().hint;
  }

  std::string root_;
  std::string file_;
};

TEST_F(TrustedFile, OwnFileInOwnDirectoryIsRead) {
  EXPECT_EQ(outcome(file_), "version: 1\n");
  EXPECT_TRUE(check_trusted_file(file_).has_value());
}

TEST_F(TrustedFile, FileThatOthersMayWriteIsRefused) {
  ASSERT_EQ(::chmod(file_.c_str(), 0646), 0);
  EXPECT_EQ(outcome(file_), file_ +
                                " may be written by everybody (mode 0646). Whoever writes it changes what "
                                "Sallyport obeys: chmod go-w " +
                                file_);
  EXPECT_FALSE(check_trusted_file(file_).has_value());
  ASSERT_EQ(::chmod(file_.c_str(), 0664), 0);
  EXPECT_EQ(outcome(file_).substr(0, (file_ + " may be written by its group (mode 0664)").size()),
            file_ + " may be written by its group (mode 0664)");
}

TEST_F(TrustedFile, ParentThatOthersMayWriteIsRefusedAtAnyHeight) {
  ASSERT_EQ(::mkdir((root_ + "/etc/deep").c_str(), 0755), 0);
  put(root_ + "/etc/deep/x.yaml", "x");
  ASSERT_EQ(::chmod((root_ + "/etc").c_str(), 0777), 0);
  for (const auto& path : {file_, root_ + "/etc/deep/x.yaml"}) {
    EXPECT_EQ(outcome(path),
              root_ +
                  "/etc may be written by everybody (mode 0777). Whoever writes it changes what "
                  "Sallyport obeys: chmod go-w " +
                  root_ + "/etc");
  }
}

TEST_F(TrustedFile, StickyDirectoryIsPassedToADirectoryOnly) {
  ASSERT_EQ(::mkdir((root_ + "/tmp").c_str(), 0755), 0);
  ASSERT_EQ(::chmod((root_ + "/tmp").c_str(), 01777), 0);
  put(root_ + "/tmp/x.yaml", "x");
  ASSERT_EQ(::mkdir((root_ + "/tmp/own").c_str(), 0700), 0);
  put(root_ + "/tmp/own/x.yaml", "y");
  EXPECT_EQ(outcome(root_ + "/tmp/x.yaml"),
            root_ +
                "/tmp may be written by everybody (mode 1777). Put the file into "
                "a directory of its own there.");
  EXPECT_EQ(outcome(root_ + "/tmp/own/x.yaml"), "y");
}

TEST_F(TrustedFile, ForeignOwnerIsRefused) {
  if (::geteuid() != 0) GTEST_SKIP() << "needs root to give files away";
  ASSERT_EQ(::chown(file_.c_str(), 1234, 0), 0);
  EXPECT_EQ(
      outcome(file_),
      file_ +
          " belongs to uid 1234, expected root or uid 0. Whoever owns it can change what "
          "Sallyport obeys: give it to root, 0640 with the group of the service's account; or ask as that "
          "account (runuser -u NAME).");
  ASSERT_EQ(::chown(file_.c_str(), 0, 0), 0);
  ASSERT_EQ(::chown((root_ + "/etc").c_str(), 1234, 0), 0);
  EXPECT_NE(outcome(file_).find("/etc belongs to uid 1234"), std::string::npos);
  ASSERT_EQ(::chown((root_ + "/etc").c_str(), 0, 0), 0);
  ASSERT_EQ(::symlink("sallyport.yaml", (root_ + "/etc/link").c_str()), 0);
  ASSERT_EQ(::lchown((root_ + "/etc/link").c_str(), 1234, 0), 0);
  EXPECT_NE(outcome(root_ + "/etc/link").find("/etc/link belongs to uid 1234"), std::string::npos);
}

TEST_F(TrustedFile, StickyDirectoryDoesNotExcuseAForeignDirectoryInIt) {
  if (::geteuid() != 0) GTEST_SKIP() << "needs root to give files away";
  ASSERT_EQ(::mkdir((root_ + "/tmp").c_str(), 0755), 0);
  ASSERT_EQ(::chmod((root_ + "/tmp").c_str(), 01777), 0);
  ASSERT_EQ(::mkdir((root_ + "/tmp/theirs").c_str(), 0755), 0);
  put(root_ + "/tmp/theirs/x.yaml", "x");
  ASSERT_EQ(::chown((root_ + "/tmp/theirs").c_str(), 1234, 0), 0);
  EXPECT_NE(outcome(root_ + "/tmp/theirs/x.yaml").find("/tmp/theirs belongs to uid 1234"), std::string::npos);
}

TEST_F(TrustedFile, LinksAreFollowedAndWhatTheyPassIsChecked) {
  ASSERT_EQ(::mkdir((root_ + "/open").c_str(), 0755), 0);
  ASSERT_EQ(::chmod((root_ + "/open").c_str(), 0777), 0);
  put(root_ + "/open/x.yaml", "x");
  ASSERT_EQ(::symlink("sallyport.yaml", (root_ + "/etc/relative").c_str()), 0);
  ASSERT_EQ(::symlink(file_.c_str(), (root_ + "/etc/absolute").c_str()), 0);
  ASSERT_EQ(::symlink("../etc/./sallyport.yaml", (root_ + "/etc/upward").c_str()), 0);
  ASSERT_EQ(::symlink("../open/x.yaml", (root_ + "/etc/open").c_str()), 0);
  ASSERT_EQ(::symlink("loop", (root_ + "/etc/loop").c_str()), 0);
  for (const std::string name : {"relative", "absolute", "upward"})
    EXPECT_EQ(outcome(root_ + "/etc/" + name), "version: 1\n");
  EXPECT_NE(outcome(root_ + "/etc/open").find("/open may be written by everybody"), std::string::npos);
  EXPECT_NE(outcome(root_ + "/etc/loop").find("more than 40 links"), std::string::npos);
}

TEST_F(TrustedFile, SecretsAsKubernetesMountsThemAreRead) {
  const auto volume = root_ + "/serviceaccount";
  ASSERT_EQ(::mkdir(volume.c_str(), 0755), 0);
  ASSERT_EQ(::chmod(volume.c_str(), 01777), 0);
  ASSERT_EQ(::mkdir((volume + "/..2026_11_28").c_str(), 0755), 0);
  put(volume + "/..2026_11_28/ca.crt", "ca");
  ASSERT_EQ(::symlink("..2026_11_28", (volume + "/..data").c_str()), 0);
  ASSERT_EQ(::symlink("..data/ca.crt", (volume + "/ca.crt").c_str()), 0);
  EXPECT_EQ(outcome(volume + "/ca.crt"), "ca");
}

TEST_F(TrustedFile, AForeignLinkInAStickyDirectoryIsRefused) {
  if (::geteuid() != 0) GTEST_SKIP() << "needs root to give files away";
  ASSERT_EQ(::mkdir((root_ + "/tmp").c_str(), 0755), 0);
  ASSERT_EQ(::chmod((root_ + "/tmp").c_str(), 01777), 0);
  ASSERT_EQ(::symlink((root_ + "/etc").c_str(), (root_ + "/tmp/link").c_str()), 0);
  ASSERT_EQ(::lchown((root_ + "/tmp/link").c_str(), 1234, 0), 0);
  EXPECT_NE(outcome(root_ + "/tmp/link/sallyport.yaml").find("/tmp/link belongs to uid 1234"),
            std::string::npos);
}

TEST_F(TrustedFile, WhatIsNoReadableFileIsSaid) {
  EXPECT_EQ(outcome(root_ + "/etc/none.yaml"),
            root_ + "/etc/none.yaml does not exist. Check the name; Sallyport searches no other directory.");
  EXPECT_EQ(outcome(root_ + "/etc"), root_ + "/etc is a directory, expected a file. Name the file in it.");
  EXPECT_EQ(outcome(file_ + "/x"), file_ + " is not a directory. ");
  EXPECT_EQ(outcome("etc/x"), "the path is not absolute. Write it from the root.");
  EXPECT_EQ(outcome("/"), "/ is a directory, expected a file. Name the file in it.");
  ASSERT_EQ(::mkfifo((root_ + "/etc/fifo").c_str(), 0600), 0);
  EXPECT_EQ(outcome(root_ + "/etc/fifo"), root_ + "/etc/fifo is not a regular file. ");  // and does not hang
}

TEST_F(TrustedFile, LimitHoldsToTheByte) {
  EXPECT_EQ(outcome(file_, 11), "version: 1\n");
  const auto content = read_trusted_file(file_, 10);
  ASSERT_FALSE(content.has_value());
  EXPECT_EQ(content.error().code, ErrorCode::limit_exceeded);
}

TEST_F(TrustedFile, AnErrorSaysItsPlaceOnce) {
  ASSERT_EQ(::chmod(file_.c_str(), 0666), 0);
  const auto itself = located_at(file_, check_trusted_file(file_).error());
  EXPECT_EQ(itself.where, file_);
  EXPECT_EQ(itself.what, "may be written by everybody (mode 0666)");
  ASSERT_EQ(::chmod((root_ + "/etc").c_str(), 0777), 0);
  const auto above = located_at(file_, check_trusted_file(file_).error());
  EXPECT_EQ(above.where, file_);
  EXPECT_EQ(above.what, root_ + "/etc may be written by everybody (mode 0777)");
}

}  // namespace
}  // namespace sallyport::trusted_file_test
