#include "net/peer.h"

#include "net/dns.h"
#include "net/socket_lookup.h"
#include "test/net/pki.h"
#include "test/net/processes.h"
#include "test/net/tls_server.h"

#include <gtest/gtest.h>

#include <grp.h>

#include <chrono>
#include <vector>

namespace sallyport::net::peer_test {
namespace {

using namespace sallyport::test;

class UnixPeers : public testing::Test {
 protected:
  TemporaryDirectory directory_;
  std::string path_ = directory_.path() + "/socket";
  UniqueFd listener_ = listen_unix_at(path_);
};

TEST_F(UnixPeers, AreTheProcessThatConnected) {
  const Child client{[&](int channel) {
    connect_unix(path_);
    wait_for_end_of(channel);
  }};
  const auto accepted = accept_from(listener_);
  const auto peer = peer_of_unix(accepted.get());
  ASSERT_TRUE(peer.has_value()) << describe(peer.error());
  EXPECT_EQ(peer->pid, client.pid());
  EXPECT_EQ(peer->uid, geteuid());
  EXPECT_EQ(peer->gid, getegid());
  EXPECT_TRUE(is_alive(peer->pidfd));
}

TEST_F(UnixPeers, CarryTheUidOfTheProcess) {
  if (geteuid() != 0) GTEST_SKIP() << "needs root";
  chmod(directory_.path().c_str(), 0755);
  chmod(path_.c_str(), 0666);
  const Child client{[&](int channel) {
    if (setgid(4322) != 0 || setuid(4321) != 0) _exit(6);
    connect_unix(path_);
    wait_for_end_of(channel);
  }};
  const auto accepted = accept_from(listener_);
  const auto peer = peer_of_unix(accepted.get());
  ASSERT_TRUE(peer.has_value());
  EXPECT_EQ(peer->uid, 4321U);
  EXPECT_EQ(peer->gid, 4322U);
}

TEST_F(UnixPeers, CarryAllGroupsOfTheProcess) {
  if (geteuid() != 0) GTEST_SKIP() << "needs root";
  for (const std::size_t count : {0U, 1U, 32U, 33U, 5000U}) {
    std::vector<gid_t> groups;
    for (gid_t gid = 10'001; groups.size() < count; ++gid) groups.push_back(gid);
    const Child client{[&](int channel) {
      if (setgroups(groups.size(), groups.data()) != 0) _exit(6);
      connect_unix(path_);
      wait_for_end_of(channel);
    }};
    const auto accepted = accept_from(listener_);
    const auto peer = peer_of_unix(accepted.get());
    ASSERT_TRUE(peer.has_value());
    EXPECT_EQ(peer->groups, groups) << count;
  }
}

TEST_F(UnixPeers, ThatHaveEndedAreRefused) {
  Child client{[&](int channel) {
    connect_unix(path_);
    wait_for_end_of(channel);
  }};
  const auto accepted = accept_from(listener_);
  client.end();
  const auto peer = peer_of_unix(accepted.get());
  ASSERT_TRUE(peer.has_error());
  EXPECT_EQ(peer.error().code, ErrorCode::denied);
  EXPECT_EQ(peer.error().hop, Hop::identity);
}

// A member of the tree connects, hands its descriptor to a stranger and ends: what the kernel says about
// the socket is still true of the member only, even when its pid goes to somebody else.
TEST_F(UnixPeers, DescriptorPassedOnDoesNotPassOnTheIdentity) {
  Child member{[&](int channel) {
    send_descriptor(channel, connect_unix(path_));
    wait_for_end_of(channel);
  }};
  const auto accepted = accept_from(listener_);
  const auto kept_open = receive_descriptor(member.channel());
  const auto pid = member.pid();
  member.end();
  EXPECT_TRUE(peer_of_unix(accepted.get()).has_error());
  const auto reused = fork_with_pid(pid);
  if (reused < 0) GTEST_SKIP() << "pids cannot be chosen here";
  ASSERT_EQ(reused, pid);
  const auto peer = peer_of_unix(accepted.get());
  EXPECT_TRUE(peer.has_error()) << "pid " << pid << " is another process now";
  kill(reused, SIGKILL);
  waitpid(reused, nullptr, 0);
}

TEST_F(UnixPeers, OfAnotherPidNamespaceAreRefused) {
  if (geteuid() != 0) GTEST_SKIP() << "needs root";
  // The server is moved into a namespace of its own, from where a client outside has pid 0.
  const Child server{[&](int channel) {
    if (unshare(CLONE_NEWPID) != 0) _exit(6);
    if (fork() == 0) {
      const auto accepted = accept_from(listener_);
      const auto peer = peer_of_unix(accepted.get());
      send_value(channel,
                 peer.has_error() && peer.error().what.find("another pid namespace") != std::string::npos);
      _exit(0);
    }
    wait(nullptr);
  }};
  const UniqueFd client{connect_unix(path_)};
  bool refused = false;
  try {
    refused = receive_value<bool>(server.channel());
  } catch (const std::runtime_error&) {
    GTEST_SKIP() << "no pid namespaces here";
  }
  EXPECT_TRUE(refused);
}

class TcpPeers : public testing::Test {
 protected:
  TcpPeers() { prctl(PR_SET_CHILD_SUBREAPER, 1); }
  ~TcpPeers() override { prctl(PR_SET_CHILD_SUBREAPER, 0); }

  static ServedTree tree_of(const Child& root, std::vector<pid_t> excluded = {}) {
    return {root.pid(), read_process_stat(root.pid()).value().start_ticks, std::move(excluded)};
  }

  std::uint16_t port_ = 0;
  UniqueFd listener_ = listen_on_loopback(port_);
};

TEST_F(TcpPeers, AreFoundInTheTree) {
  const Child root{[&](int channel) {
    if (fork() == 0) {
      const auto fd = connect_to_loopback(port_);
      send_value(channel, getpid());
      wait_for_end_of(channel);
    }
    wait_for_end_of(channel);
  }};
  const auto accepted = accept_from(listener_);
  const auto pid = receive_value<pid_t>(root.channel());
  const auto peer = peer_of_tcp(accepted.get(), tree_of(root), geteuid());
  ASSERT_TRUE(peer.has_value()) << describe(peer.error());
  EXPECT_EQ(peer->pid, pid);
  EXPECT_EQ(peer->uid, geteuid());
}

TEST_F(TcpPeers, AreFoundByAnUndumpableBrokerOfAnOrdinaryUser) {
  if (geteuid() != 0) GTEST_SKIP() << "needs root";
  const Child broker{[&](int channel) {
    if (setgid(4321) != 0 || setuid(4321) != 0 || prctl(PR_SET_DUMPABLE, 0) != 0) _exit(1);
    prctl(PR_SET_CHILD_SUBREAPER, 1);
    const Child root{[&](int inner) {
      prctl(PR_SET_DUMPABLE, 1);  // as execve makes it
      const auto fd = connect_to_loopback(port_);
      wait_for_end_of(inner);
    }};
    const auto accepted = accept_from(listener_);
    const auto tree = tree_of(root);
    const auto peer = peer_of_tcp(accepted.get(), tree, geteuid());
    send_value(channel, peer.has_value() && peer->pid == root.pid() &&
                            tree.members(ServedTree::Effort::quick).size() == 1);
  }};
  EXPECT_TRUE(receive_value<bool>(broker.channel()));
}

TEST_F(TcpPeers, OutsideTheTreeAreRefused) {
  const Child root{[](int channel) { wait_for_end_of(channel); }};
  const Child stranger{[&](int channel) {
    const auto fd = connect_to_loopback(port_);
    wait_for_end_of(channel);
  }};
  const auto accepted = accept_from(listener_);
  const auto peer = peer_of_tcp(accepted.get(), tree_of(root, {stranger.pid()}), geteuid());
  ASSERT_TRUE(peer.has_error());
  EXPECT_EQ(peer.error().code, ErrorCode::denied);
  EXPECT_NE(peer.error().what.find("belongs to no process of the command"), std::string::npos);
}

TEST_F(TcpPeers, OfAnotherAccountAreRefusedBeforeAnyProcessIsLookedAt) {
  if (geteuid() != 0) GTEST_SKIP() << "needs root";
  const Child root{[&](int channel) {
    if (setuid(4321) != 0) _exit(1);
    const auto fd = connect_to_loopback(port_);
    wait_for_end_of(channel);
  }};
  const auto accepted = accept_from(listener_);
  // Even one of the tree, so that it is the uid that refuses.
  const auto peer = peer_of_tcp(accepted.get(), tree_of(root), geteuid());
  ASSERT_TRUE(peer.has_error());
  EXPECT_EQ(peer.error().code, ErrorCode::denied);
  EXPECT_EQ(peer.error().what, "the connection belongs to uid 4321, and only uid 0 is served");
}

TEST_F(TcpPeers, WithOneSocketForBothFamiliesAreFound) {
  const Child root{[&](int channel) {
    const UniqueFd fd{socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0)};
    const auto address = *literal_address("::ffff:127.0.0.1", port_);
    sockaddr_storage storage{};
    const auto size = address.to_sockaddr(storage);
    if (connect(fd.get(), reinterpret_cast<sockaddr*>(&storage), size) != 0) _exit(5);
    wait_for_end_of(channel);
  }};
  const auto accepted = accept_from(listener_);
  const auto peer = peer_of_tcp(accepted.get(), tree_of(root), geteuid());
  ASSERT_TRUE(peer.has_value()) << describe(peer.error());
  EXPECT_EQ(peer->pid, root.pid());
}

TEST_F(TcpPeers, ThatClosedAreRefused) {
  const Child root{[&](int channel) {
    { const auto fd = connect_to_loopback(port_); }
    send_value(channel, 1);
    wait_for_end_of(channel);
  }};
  const auto accepted = accept_from(listener_);
  receive_value<int>(root.channel());
  EXPECT_TRUE(peer_of_tcp(accepted.get(), tree_of(root), geteuid()).has_error());
  EXPECT_FALSE(uid_of_local_peer(accepted.get()).has_value());
}

// As drivers do right after a cancel; each time a little later.
TEST_F(TcpPeers, ThatCloseWhileTheyAreLookedForAreNoStrangers) {
  constexpr int attempts = 500;
  const Child root{[&](int channel) {
    for (int attempt = 0; attempt < attempts; ++attempt) {
      const auto fd = connect_to_loopback(port_);
      const auto until = std::chrono::steady_clock::now() + std::chrono::microseconds{attempt};
      while (std::chrono::steady_clock::now() < until) continue;
      receive_value<int>(channel);
    }
    wait_for_end_of(channel);
  }};
  const auto tree = tree_of(root);
  for (int attempt = 0; attempt < attempts; ++attempt) {
    const auto accepted = accept_from(listener_);
    const auto peer = peer_of_tcp(accepted.get(), tree, geteuid());
    if (peer.has_error()) {
      ASSERT_EQ(peer.error().code, ErrorCode::not_found) << attempt << describe(peer.error());
    }
    send_value(root.channel(), attempt);
  }
}

TEST_F(TcpPeers, AreCountedByTheirUid) {
  const Child other{[&](int channel) {
    if (geteuid() == 0 && setuid(65'534) != 0) _exit(1);
    const auto fd = connect_to_loopback(port_);
    send_value(channel, geteuid());
    wait_for_end_of(channel);
  }};
  const auto accepted = accept_from(listener_);
  EXPECT_EQ(uid_of_local_peer(accepted.get()), receive_value<uid_t>(other.channel()));
}

std::optional<Address> own_address(int fd) {
  sockaddr_storage storage{};
  socklen_t size = sizeof storage;
  getsockname(fd, reinterpret_cast<sockaddr*>(&storage), &size);
  return Address::from_sockaddr(storage, size);
}

TEST_F(TcpPeers, KernelsTableAndProcAgree) {
  const auto client = connect_to_loopback(port_);
  const auto accepted = accept_from(listener_);
  const auto local = *own_address(client.get());
  const auto remote = *own_address(accepted.get());
  const auto asked = owner_of_connection(local, remote);
  const auto read = owner_of_connection_from_proc(local, remote);
  ASSERT_TRUE(asked && read);
  EXPECT_EQ(asked->inode, read->inode);
  EXPECT_EQ(asked->uid, read->uid);
  EXPECT_EQ(holds_socket(getpid(), asked->inode), true);
  EXPECT_EQ(holds_socket(getpid(), asked->inode + 1'000'000'000), false);
  EXPECT_FALSE(owner_of_connection(remote, *literal_address("127.0.0.1", 1)).has_value());
}

// A stranger's connections that have ended stand in /proc for a minute, and reading it keeps the relay loop busy.
TEST_F(TcpPeers, ThatClosedAreNotLookedForInProc) {
  for (int i = 0; i < 500; ++i) {
    const auto client = connect_to_loopback(port_);
    const auto ended = accept_from(listener_);
  }
  auto client = connect_to_loopback(port_);
  const auto accepted = accept_from(listener_);
  const auto local = *own_address(client.get());
  const auto remote = *own_address(accepted.get());
  client = {};
  const auto time_of = [&](auto look_up) {
    const auto before = std::chrono::steady_clock::now();
    for (int i = 0; i < 20; ++i) EXPECT_FALSE(look_up(local, remote).has_value());
    return std::chrono::duration<double, std::milli>{std::chrono::steady_clock::now() - before}.count();
  };
  EXPECT_LT(time_of(owner_of_connection), time_of(owner_of_connection_from_proc) / 3);
}

TEST_F(TcpPeers, MappedAddressesAreFoundInProcToo) {
  const UniqueFd client{socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0)};
  sockaddr_storage storage{};
  const auto size = literal_address("::ffff:127.0.0.1", port_)->to_sockaddr(storage);
  ASSERT_EQ(connect(client.get(), reinterpret_cast<sockaddr*>(&storage), size), 0);
  const auto accepted = accept_from(listener_);
  const auto remote = *own_address(accepted.get());
  auto local = *own_address(client.get());
  local = *literal_address("127.0.0.1", local.port);
  EXPECT_TRUE(owner_of_connection_from_proc(local, remote).has_value());
}

TEST_F(TcpPeers, ListenerIsNamed) {
  const auto text = listener_of_tcp(port_);
  EXPECT_NE(text.find("pid " + std::to_string(getpid())), std::string::npos) << text;
  EXPECT_EQ(listener_of_tcp(1), "");
}

}  // namespace
}  // namespace sallyport::net::peer_test
