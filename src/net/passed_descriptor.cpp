#include "net/passed_descriptor.h"

#include <sys/socket.h>

#include <cerrno>
#include <cstring>

namespace sallyport::net {

bool send_with_descriptor(int socket, const void* packet, std::size_t size, int fd, int flags) {
  iovec data{const_cast<void*>(packet), size};
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))] = {};
  msghdr message{};
  message.msg_iov = &data;
  message.msg_iovlen = 1;
  if (fd >= 0) {
    message.msg_control = control;
    message.msg_controllen = sizeof control;
    cmsghdr* header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(sizeof(int));
    std::memcpy(CMSG_DATA(header), &fd, sizeof fd);
  }
  return sendmsg(socket, &message, MSG_NOSIGNAL | flags) == static_cast<ssize_t>(size);
}

ssize_t receive_with_descriptor(int socket, void* packet, std::size_t size, UniqueFd& fd) {
  iovec data{packet, size};
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))] = {};
  msghdr message{};
  message.msg_iov = &data;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = sizeof control;
  ssize_t received = 0;
  do {
    received = recvmsg(socket, &message, MSG_CMSG_CLOEXEC);
  } while (received < 0 && errno == EINTR);
  const cmsghdr* header = received > 0 ? CMSG_FIRSTHDR(&message) : nullptr;
  if (header == nullptr || header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS)
    return received;
  // Aligned as it has to be, there is room for more than one, and whatever comes is ours to close.
  const auto count = (header->cmsg_len - CMSG_LEN(0)) / sizeof(int);
  for (std::size_t i = count; i-- > 0;) {
    int passed = -1;
    std::memcpy(&passed, CMSG_DATA(header) + i * sizeof passed, sizeof passed);
    fd.reset(passed);
  }
  return received;
}

}  // namespace sallyport::net
