// Sockets from the service manager: ours only, and only those that are named (threat 15).
#include "net/inherited_sockets.h"

#include "net/socket_directory.h"

#include <gtest/gtest.h>

#include <fcntl.h>
#include <unistd.h>

namespace sallyport::net::inherited_sockets_test {
namespace {

constexpr int first = 200;  // where the tests put them: 3 and on are in use

struct Manager {
  Manager() {
    auto socket = listen_tcp("127.0.0.1", 0);
    port = port_of(socket->get());
    dup2(socket->get(), first);
    dup2(open("/dev/null", O_RDONLY | O_CLOEXEC), first + 1);
  }
  ~Manager() {
    close(first);
    close(first + 1);
  }
  InheritedSockets take(const std::string& pid, const std::string& count = "2") const {
    return InheritedSockets::take(pid, count, first);
  }
  std::uint16_t port = 0;
};

std::string own_pid() { return std::to_string(getpid()); }

TEST(InheritedSockets, AreFoundByTheirAddressAndCloseOnExec) {
  Manager manager;
  auto sockets = manager.take(own_pid());
  const auto found = sockets.find_tcp("127.0.0.1", manager.port);
  ASSERT_TRUE(found);
  EXPECT_EQ(port_of(found->get()), manager.port);
  EXPECT_NE(fcntl(found->get(), F_GETFD) & FD_CLOEXEC, 0);
  EXPECT_NE(fcntl(first, F_GETFD) & FD_CLOEXEC, 0);
  EXPECT_NE(fcntl(found->get(), F_GETFL) & O_NONBLOCK, 0);
  EXPECT_TRUE(sockets.find_tcp("127.0.0.1", manager.port)) << "again, for a reload";
  EXPECT_FALSE(sockets.find_tcp("127.0.0.2", manager.port));
  EXPECT_FALSE(sockets.find_unix("/run/x"));
}

TEST(InheritedSockets, WhatNobodyNamesIsClosedAndTold) {
  Manager manager;
  auto sockets = manager.take(own_pid());
  const auto closed = sockets.close_unused();
  ASSERT_EQ(closed.size(), 2u);
  EXPECT_EQ(closed[0], "descriptor 200 (127.0.0.1:" + std::to_string(manager.port) + ")");
  EXPECT_EQ(closed[1], "descriptor 201 (no socket that listens)");
  EXPECT_EQ(fcntl(first, F_GETFD), -1);
  EXPECT_EQ(fcntl(first + 1, F_GETFD), -1);
  EXPECT_FALSE(sockets.find_tcp("127.0.0.1", manager.port));
}

TEST(InheritedSockets, ThoseOfAnotherProcessAreLeftAlone) {
  Manager manager;
  for (const auto& pid : {std::to_string(getppid()), std::string{}, std::string{"x"}, own_pid() + "x"}) {
    auto sockets = manager.take(pid);
    EXPECT_FALSE(sockets.find_tcp("127.0.0.1", manager.port)) << pid;
    EXPECT_TRUE(sockets.close_unused().empty());
  }
  for (const auto* count : {"", "0", "-1", "100000", "2x"}) {
    auto sockets = manager.take(own_pid(), count);
    EXPECT_FALSE(sockets.find_tcp("127.0.0.1", manager.port)) << count;
  }
  EXPECT_GE(fcntl(first, F_GETFD), 0);
}

}  // namespace
}  // namespace sallyport::net::inherited_sockets_test
