#include "net/packet_channel.h"

#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <utility>

namespace sallyport::net {

namespace {

Error fault(ErrorCode code, std::string what) {
  return {code, Hop::listener, "take-over", std::move(what), {}, {}};
}

Error gone() { return fault(ErrorCode::cancelled, "the other Sallyport closed the connection"); }

/// Nothing: not now.
std::optional<Result<void>> send_now(int fd, std::string_view packet, std::span<const int> descriptors) {
  iovec data{const_cast<char*>(packet.data()), packet.size()};
  alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(int) * PacketChannel::descriptors_max)> control{};
  msghdr message{};
  message.msg_iov = &data;
  message.msg_iovlen = 1;
  if (!descriptors.empty()) {
    const auto size = descriptors.size_bytes();
    message.msg_control = control.data();
    message.msg_controllen = CMSG_SPACE(size);
    cmsghdr* header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(size);
    std::memcpy(CMSG_DATA(header), descriptors.data(), size);
  }
  ssize_t sent = 0;
  do {
    sent = sendmsg(fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
  } while (sent < 0 && errno == EINTR);
  if (sent == static_cast<ssize_t>(packet.size())) return Result<void>{};
  if (sent < 0 && (errno == EAGAIN || errno == ETOOMANYREFS)) return std::nullopt;
  return Result<void>{gone()};
}

void take_descriptors(msghdr& message, Packet& packet) {
  for (cmsghdr* header = CMSG_FIRSTHDR(&message); header != nullptr; header = CMSG_NXTHDR(&message, header)) {
    if (header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS) continue;
    const auto count = (header->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    for (std::size_t i = 0; i < count; ++i) {
      int fd = -1;
      std::memcpy(&fd, CMSG_DATA(header) + i * sizeof fd, sizeof fd);
      packet.descriptors.emplace_back(fd);
    }
  }
}

}  // namespace

Result<void> PacketChannel::send(std::string_view packet, std::span<const int> descriptors,
                                 Deadline deadline) const {
  while (true) {
    if (auto sent = send_now(fd_.get(), packet, descriptors)) return *sent;
    const auto left =
        std::chrono::ceil<std::chrono::milliseconds>(deadline - std::chrono::steady_clock::now());
    if (left.count() <= 0) return fault(ErrorCode::timed_out, "the other Sallyport does not read");
    pollfd ready{fd_.get(), POLLOUT, 0};
    poll(&ready, 1, static_cast<int>(std::min<std::int64_t>(left.count(), 1'000)));
  }
}

Result<std::optional<Packet>> PacketChannel::receive(Deadline deadline, int wake) const {
  while (true) {
    auto got = try_receive();
    if (!got || *got) return got;
    const auto left =
        std::chrono::ceil<std::chrono::milliseconds>(deadline - std::chrono::steady_clock::now());
    if (left.count() <= 0) return fault(ErrorCode::timed_out, "the other Sallyport did not answer in time");
    std::array<pollfd, 2> ready{{{fd_.get(), POLLIN, 0}, {wake, POLLIN, 0}}};
    poll(ready.data(), ready.size(), static_cast<int>(std::min<std::int64_t>(left.count(), 60'000)));
    if (ready[1].revents != 0 && ready[0].revents == 0) return std::optional<Packet>{};
  }
}

bool PacketChannel::try_send(std::string_view packet) const {
  const auto sent = send_now(fd_.get(), packet, {});
  return sent && *sent;
}

Result<std::optional<Packet>> PacketChannel::try_receive() const {
  Packet packet;
  packet.bytes.resize(bytes_max);
  iovec data{packet.bytes.data(), packet.bytes.size()};
  // Room for one more than may come, so that too many are seen.
  alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(int) * (descriptors_max + 1))> control{};
  msghdr message{};
  message.msg_iov = &data;
  message.msg_iovlen = 1;
  message.msg_control = control.data();
  message.msg_controllen = control.size();
  ssize_t size = 0;
  bool reset_seen = false;
  do {
    size = recvmsg(fd_.get(), &message, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
    // A peer that went without reading all of ours: what it had said before is still there.
  } while (size < 0 && (errno == EINTR || (errno == ECONNRESET && !std::exchange(reset_seen, true))));
  if (size < 0 && errno == EAGAIN) return std::optional<Packet>{};
  if (size <= 0) return gone();
  take_descriptors(message, packet);
  if ((message.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) != 0 || packet.descriptors.size() > descriptors_max)
    return fault(ErrorCode::peer_misbehaved, "the other Sallyport sent more than it may");
  packet.bytes.resize(static_cast<std::size_t>(size));
  return std::optional<Packet>{std::move(packet)};
}

UniqueFd accept_packets(int listener) { return UniqueFd{accept4(listener, nullptr, nullptr, SOCK_CLOEXEC)}; }

}  // namespace sallyport::net
