// Packets and descriptors between two processes: whole, bounded, and never waited for without end.
#include "net/packet_channel.h"

#include <gtest/gtest.h>

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstring>
#include <filesystem>

namespace sallyport::net::packet_channel_test {
namespace {

namespace fs = std::filesystem;

class Channel : public testing::Test {
 protected:
  void SetUp() override {
    int ends[2];
    ASSERT_EQ(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends), 0);
    one_.emplace(UniqueFd{ends[0]});
    other_.emplace(UniqueFd{ends[1]});
  }
  static PacketChannel::Deadline soon() { return std::chrono::steady_clock::now() + std::chrono::seconds{5}; }

  std::optional<PacketChannel> one_, other_;
};

TEST_F(Channel, CarriesPacketsAndDescriptors) {
  const UniqueFd file{open("/dev/null", O_RDONLY | O_CLOEXEC)};
  const int both[] = {file.get(), file.get()};
  ASSERT_TRUE(one_->send("first", both, soon()));
  ASSERT_TRUE(one_->try_send("second"));
  auto packet = other_->receive(soon());
  ASSERT_TRUE(packet && *packet);
  EXPECT_EQ((*packet)->bytes, "first");
  ASSERT_EQ((*packet)->descriptors.size(), 2U);
  EXPECT_NE(fcntl((*packet)->descriptors[1].get(), F_GETFD) & FD_CLOEXEC, 0);
  packet = other_->try_receive();
  ASSERT_TRUE(packet && *packet);
  EXPECT_EQ((*packet)->bytes, "second");
  packet = other_->try_receive();
  EXPECT_TRUE(packet && !*packet) << "there is none";
}

TEST_F(Channel, WhatIsLongerThanAPacketMayBeIsRefused) {
  const std::string most(PacketChannel::bytes_max, 'x');
  ASSERT_TRUE(one_->try_send(most));
  ASSERT_TRUE(one_->try_send(most + "x"));
  const auto whole = other_->receive(soon());
  ASSERT_TRUE(whole && *whole);
  EXPECT_EQ((*whole)->bytes, most);
  EXPECT_EQ(other_->receive(soon()).error().code, ErrorCode::peer_misbehaved);
}

TEST_F(Channel, MoreDescriptorsThanMayComeAreRefusedAndClosed) {
  const auto count = [] {
    return std::distance(fs::directory_iterator{"/proc/self/fd"}, fs::directory_iterator{});
  };
  for (const std::size_t sent : {3U, 8U}) {
    const auto before = count();
    iovec data{const_cast<char*>("x"), 1};
    alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int) * 8)] = {};
    msghdr message{};
    message.msg_iov = &data;
    message.msg_iovlen = 1;
    message.msg_control = control;
    message.msg_controllen = CMSG_SPACE(sizeof(int) * sent);
    cmsghdr* header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(sizeof(int) * sent);
    for (std::size_t i = 0; i < sent; ++i) {
      const int fd = one_->fd();
      std::memcpy(CMSG_DATA(header) + i * sizeof fd, &fd, sizeof fd);
    }
    ASSERT_EQ(sendmsg(one_->fd(), &message, 0), 1);
    EXPECT_EQ(other_->receive(soon()).error().code, ErrorCode::peer_misbehaved);
    EXPECT_EQ(count(), before);
  }
}

TEST_F(Channel, EndsWaitingWhenItIsWokenWhenItIsLateAndWhenTheOtherEndGoes) {
  int pipe_ends[2];
  ASSERT_EQ(pipe(pipe_ends), 0);
  const UniqueFd wake{pipe_ends[0]};
  const UniqueFd waker{pipe_ends[1]};
  ASSERT_EQ(write(waker.get(), "w", 1), 1);
  const auto woken = other_->receive(soon(), wake.get());
  EXPECT_TRUE(woken && !*woken);
  EXPECT_EQ(other_->receive(std::chrono::steady_clock::now()).error().code, ErrorCode::timed_out);
  one_.reset();
  EXPECT_EQ(other_->receive(soon()).error().code, ErrorCode::cancelled);
  EXPECT_EQ(other_->send("x", {}, soon()).error().code, ErrorCode::cancelled);
  EXPECT_FALSE(other_->try_send("x"));
}

TEST_F(Channel, WhoDoesNotReadHoldsUpNobodyForEver) {
  const std::string packet(PacketChannel::bytes_max, 'x');
  while (one_->try_send(packet)) {}
  const auto sent = one_->send(packet, {}, std::chrono::steady_clock::now() + std::chrono::milliseconds{50});
  EXPECT_EQ(sent.error().code, ErrorCode::timed_out);
}

}  // namespace
}  // namespace sallyport::net::packet_channel_test
