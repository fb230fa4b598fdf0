// Sockets that go from one process to another: who has them and whose their names are, at every step and whoever dies.
#include "net/handed_sockets.h"

#include "net/socket_directory.h"
#include "test/net/pki.h"
#include "test/net/tls_server.h"
#include "test/net/unix_client.h"

#include <gtest/gtest.h>

#include <fcntl.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>
#include <optional>

namespace sallyport::net::handed_sockets_test {
namespace {

using namespace sallyport::test;
namespace fs = std::filesystem;

/// A predecessor that listens on one port of a directory.
class HandOver : public testing::Test {
 protected:
  void SetUp() override {
    fs::create_directory(path_);
    auto directory = SocketDirectory::open_shared(path_);
    ASSERT_TRUE(directory) << describe(directory.error());
    directory_.emplace(std::move(*directory));
    old_.emplace(directory_->listen_unix(5432).value());
  }

  Result<void> hand() {
    auto shared = old_->share();
    return handed_->add(shared.path, std::move(shared.fd), std::move(shared.lock));
  }

  /// What the predecessor does when its successor serves.
  void release() {
    *old_->share().ours = false;
    old_.reset();
  }

  static std::string error_of(const Result<void>& result) {
    return result ? "good" : describe(result.error());
  }

  TemporaryDirectory base_;
  std::string path_ = base_.path() + "/sock";
  std::string socket_ = path_ + "/.s.PGSQL.5432";
  std::optional<SocketDirectory> directory_;
  std::optional<Listener> old_;
  std::optional<HandedSockets> handed_{std::in_place};
};

TEST_F(HandOver, TheSuccessorListensAndTheNamesAreItsToRemove) {
  ASSERT_TRUE(hand());
  auto mine = handed_->take_unix(socket_);
  ASSERT_TRUE(mine);
  EXPECT_FALSE(handed_->take_unix(socket_)) << "once";
  release();
  EXPECT_TRUE(can_connect(socket_)) << "its predecessor has left the names";
  EXPECT_TRUE(handed_->keep().empty());
  handed_.reset();
  EXPECT_TRUE(can_connect(socket_));
  EXPECT_FALSE(directory_->listen_unix(5432)) << "its lock is held";
  mine.reset();
  EXPECT_TRUE(fs::is_empty(path_));
  EXPECT_TRUE(directory_->listen_unix(5432));
}

TEST_F(HandOver, ASuccessorThatGivesUpChangesNothing) {
  ASSERT_TRUE(hand());
  auto mine = handed_->take_unix(socket_);
  ASSERT_TRUE(mine);
  mine.reset();
  handed_.reset();
  EXPECT_TRUE(can_connect(socket_));
  EXPECT_FALSE(directory_->listen_unix(5432)) << "its predecessor holds the lock";
  old_.reset();
  EXPECT_TRUE(fs::is_empty(path_));
}

TEST_F(HandOver, WhatNobodyTakesIsClosedAndItsNamesGo) {
  ASSERT_TRUE(hand());
  release();
  EXPECT_EQ(handed_->keep(), std::vector<std::string>{"unix:" + socket_});
  EXPECT_TRUE(fs::is_empty(path_));
}

TEST_F(HandOver, TheLockNamesWhoServes) {
  ASSERT_TRUE(hand());
  const auto mine = handed_->take_unix(socket_);
  std::ofstream{socket_ + ".lock"} << "1\n";
  (void)handed_->keep();
  std::string pid;
  std::ifstream{socket_ + ".lock"} >> pid;
  EXPECT_EQ(pid, std::to_string(getpid()));
  release();
}

TEST_F(HandOver, WithoutTheLockNothingIsTaken) {
  auto shared = old_->share();
  const auto copy = [](const UniqueFd& fd) { return UniqueFd{fcntl(fd.get(), F_DUPFD_CLOEXEC, 0)}; };
  EXPECT_NE(error_of(handed_->add(shared.path, copy(shared.fd), UniqueFd{})).find("does not hold its lock"),
            std::string::npos);
  UniqueFd opened{open((socket_ + ".lock").c_str(), O_RDWR | O_CLOEXEC)};
  EXPECT_NE(error_of(handed_->add(shared.path, copy(shared.fd), std::move(opened))).find("does not hold"),
            std::string::npos)
      << "the file, and not its lock";
  std::ofstream{path_ + "/other.lock"};
  UniqueFd other{open((path_ + "/other.lock").c_str(), O_RDWR | O_CLOEXEC)};
  EXPECT_FALSE(handed_->add(shared.path, copy(shared.fd), std::move(other))) << "another file's";
  EXPECT_EQ(handed_->size(), 0U);
}

TEST_F(HandOver, ALockThatNobodyHoldsProvesNothing) {
  auto shared = old_->share();
  UniqueFd socket = std::move(shared.fd);
  shared.lock.reset();
  old_.reset();  // with its lock and its names
  std::ofstream{socket_ + ".lock"};
  UniqueFd lock{open((socket_ + ".lock").c_str(), O_RDWR | O_CLOEXEC)};
  EXPECT_FALSE(handed_->add(socket_, std::move(socket), std::move(lock)));
}

TEST_F(HandOver, ANameThatIsGoneIsNotTaken) {
  fs::remove(socket_);
  EXPECT_NE(error_of(hand()).find("is not there any more"), std::string::npos);
}

TEST_F(HandOver, WhatDoesNotListenIsNotTaken) {
  auto shared = old_->share();
  UniqueFd silent{socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)};
  EXPECT_FALSE(handed_->add(shared.path, std::move(silent), std::move(shared.lock)));
  EXPECT_FALSE(handed_->add("", UniqueFd{open("/dev/null", O_RDONLY | O_CLOEXEC)}, {}));
}

TEST_F(HandOver, ATcpSocketIsFoundByItsAddress) {
  auto tcp = listen_tcp("127.0.0.1", 0);
  ASSERT_TRUE(tcp);
  const auto port = port_of(tcp->get());
  ASSERT_TRUE(handed_->add("", std::move(*tcp), {}));
  EXPECT_FALSE(handed_->take_tcp("127.0.0.1", static_cast<std::uint16_t>(port + 1)));
  EXPECT_TRUE(handed_->take_tcp("127.0.0.1", port));
}

}  // namespace
}  // namespace sallyport::net::handed_sockets_test
