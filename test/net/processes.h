// Real processes for tests of who is who: forked children that run a function and wait to be told.
#pragma once

#include "net/fd.h"

#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstring>
#include <functional>
#include <stdexcept>
#include <string>

namespace sallyport::test {

/// A forked child with a socket to talk over. Killed and reaped when it goes.
class Child {
 public:
  explicit Child(const std::function<void(int)>& body) {
    int ends[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) throw std::runtime_error("socketpair");
    pid_ = fork();
    if (pid_ < 0) throw std::runtime_error("fork");
    if (pid_ == 0) {
      close(ends[0]);
      prctl(PR_SET_PDEATHSIG, SIGKILL);
      body(ends[1]);
      _exit(0);
    }
    close(ends[1]);
    channel_.reset(ends[0]);
  }
  Child(Child&& other) noexcept : pid_(std::exchange(other.pid_, -1)), channel_(std::move(other.channel_)) {}
  Child& operator=(Child&&) = delete;
  ~Child() { end(); }

  void end() {
    if (pid_ <= 0) return;
    kill(pid_, SIGKILL);
    waitpid(pid_, nullptr, 0);
    pid_ = -1;
  }

  [[nodiscard]] pid_t pid() const { return pid_; }
  [[nodiscard]] int channel() const { return channel_.get(); }

 private:
  pid_t pid_ = -1;
  net::UniqueFd channel_;
};

template <class T>
void send_value(int fd, const T& value) {
  if (write(fd, &value, sizeof value) != static_cast<ssize_t>(sizeof value)) _exit(9);
}

template <class T>
T receive_value(int fd) {
  T value{};
  pollfd ready{fd, POLLIN, 0};
  if (poll(&ready, 1, 10'000) != 1 || read(fd, &value, sizeof value) != static_cast<ssize_t>(sizeof value)) {
    throw std::runtime_error("the child said nothing");
  }
  return value;
}

inline void wait_for_end_of(int fd) {
  char byte = 0;
  while (read(fd, &byte, 1) > 0) {}
}

/// Connects to a Unix socket; aborts the (child) process on failure.
inline int connect_unix(const std::string& path) {
  const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::strncpy(address.sun_path, path.c_str(), sizeof address.sun_path - 1);
  if (connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) _exit(8);
  return fd;
}

inline net::UniqueFd listen_unix_at(const std::string& path) {
  net::UniqueFd fd{socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)};
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::strncpy(address.sun_path, path.c_str(), sizeof address.sun_path - 1);
  if (bind(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) != 0 ||
      listen(fd.get(), 8) != 0) {
    throw std::runtime_error("listen on " + path);
  }
  return fd;
}

inline net::UniqueFd accept_from(const net::UniqueFd& listener) {
  pollfd ready{listener.get(), POLLIN, 0};
  if (poll(&ready, 1, 10'000) != 1) throw std::runtime_error("nobody connects");
  return net::UniqueFd{accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC)};
}

inline void send_descriptor(int channel, int fd) {
  char byte = 'f';
  iovec data{&byte, 1};
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))] = {};
  msghdr message{};
  message.msg_iov = &data;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = sizeof control;
  cmsghdr* header = CMSG_FIRSTHDR(&message);
  header->cmsg_level = SOL_SOCKET;
  header->cmsg_type = SCM_RIGHTS;
  header->cmsg_len = CMSG_LEN(sizeof(int));
  std::memcpy(CMSG_DATA(header), &fd, sizeof fd);
  if (sendmsg(channel, &message, 0) != 1) _exit(7);
}

inline net::UniqueFd receive_descriptor(int channel) {
  char byte = 0;
  iovec data{&byte, 1};
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))] = {};
  msghdr message{};
  message.msg_iov = &data;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = sizeof control;
  if (recvmsg(channel, &message, MSG_CMSG_CLOEXEC) != 1) throw std::runtime_error("no descriptor");
  int fd = -1;
  std::memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&message)), sizeof fd);
  return net::UniqueFd{fd};
}

/// Forks a child with exactly this pid (clone3 with set_tid, needs CAP_SYS_ADMIN or CAP_CHECKPOINT_RESTORE). Returns -1
/// where that is not allowed or the pid is taken. The child waits until it is killed.
inline pid_t fork_with_pid(pid_t wanted) {
  struct Arguments {
    std::uint64_t flags, pidfd, child_tid, parent_tid, exit_signal, stack, stack_size, tls, set_tid,
        set_tid_size, cgroup;
  };
  Arguments arguments{};
  arguments.exit_signal = SIGCHLD;
  arguments.set_tid = reinterpret_cast<std::uint64_t>(&wanted);
  arguments.set_tid_size = 1;
  const auto pid = static_cast<pid_t>(syscall(SYS_clone3, &arguments, sizeof arguments));
  if (pid == 0) {
    for (;;) pause();
  }
  return pid;
}

}  // namespace sallyport::test
