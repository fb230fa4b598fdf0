#include "net/unix_call.h"

#include "net/fd.h"
#include "net/peer.h"

#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace sallyport::net {

namespace {

Error fault(ErrorCode code, const std::string& path, std::string what, std::string hint = {}) {
  return {code, Hop::listener, path, std::move(what), std::move(hint), {}};
}

Error overdue(const std::string& path) {
  return fault(ErrorCode::timed_out, path, "did not answer in time",
               "Look at the log of the broker; it may hang");
}

class Call {
 public:
  Call(const std::string& path, Duration deadline)
      : path_(path), until_(std::chrono::steady_clock::now() + deadline) {}

  Result<void> connect() {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    if (path_.size() >= sizeof address.sun_path) {
      return fault(ErrorCode::bad_config, path_, "is too long for a socket's path");
    }
    std::memcpy(address.sun_path, path_.data(), path_.size());
    fd_.reset(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    if (!fd_.valid()) return fault(ErrorCode::retry_later, path_, std::strerror(errno));
    while (::connect(fd_.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
      // A Unix socket whose queue is full says EAGAIN, and no event tells when it no longer is.
      if (errno != EAGAIN) return refused(errno);
      if (std::chrono::steady_clock::now() >= until_) return overdue(path_);
      poll(nullptr, 0, 20);
    }
    const auto uid = uid_of_local_peer(fd_.get());
    if (uid && (*uid == 0 || *uid == geteuid() || (geteuid() == 0 && owns_directory(*uid)))) return {};
    return fault(ErrorCode::denied, path_, "is served by an account that is neither root nor ours",
                 "Name the right socket with --socket");
  }

  Result<void> send(std::string_view text) {
    while (!text.empty()) {
      const auto sent = ::send(fd_.get(), text.data(), text.size(), MSG_NOSIGNAL);
      if (sent > 0) {
        text.remove_prefix(static_cast<std::size_t>(sent));
      } else if (errno != EAGAIN && errno != EINTR) {
        return fault(ErrorCode::peer_misbehaved, path_, std::strerror(errno));
      } else if (!wait(POLLOUT)) {
        return overdue(path_);
      }
    }
    return {};
  }

  Result<std::string> read_line(std::size_t bytes_max) {
    std::string text;
    char chunk[16'384];
    while (true) {
      const auto got = recv(fd_.get(), chunk, sizeof chunk, 0);
      if (got == 0)
        return fault(ErrorCode::peer_misbehaved, path_, "closed the connection without an answer");
      if (got < 0) {
        if (errno != EAGAIN && errno != EINTR)
          return fault(ErrorCode::peer_misbehaved, path_, std::strerror(errno));
        if (!wait(POLLIN)) return overdue(path_);
        continue;
      }
      const auto* end = std::find(chunk, chunk + got, '\n');
      text.append(chunk, static_cast<std::size_t>(end - chunk));
      if (text.size() > bytes_max) return fault(ErrorCode::limit_exceeded, path_, "answers with too much");
      if (end != chunk + got) return text;
    }
  }

 private:
  /// A service under an account of its own, which root commands: its socket lies in its directory.
  [[nodiscard]] bool owns_directory(uid_t uid) const {
    struct stat directory {};
    return stat(path_.substr(0, path_.rfind('/') + 1).c_str(), &directory) == 0 && directory.st_uid == uid;
  }

  Error refused(int reason) const {
    if (reason == ENOENT || reason == ECONNREFUSED) {
      return fault(ErrorCode::not_found, path_, "no Sallyport listens there",
                   "Start sallyport serve, or name its admin.socket: -c FILE or --socket PATH");
    }
    if (reason == EACCES || reason == EPERM) {
      return fault(ErrorCode::denied, path_,
                   "only root and the account that Sallyport runs as may command it",
                   "Run this as one of them");
    }
    return fault(ErrorCode::bad_config, path_, std::strerror(reason));
  }

  bool wait(short events) const {
    const auto left =
        std::chrono::duration_cast<std::chrono::milliseconds>(until_ - std::chrono::steady_clock::now());
    pollfd one{fd_.get(), events, 0};
    return left.count() > 0 && poll(&one, 1, static_cast<int>(left.count()) + 1) > 0;
  }

  const std::string& path_;
  std::chrono::steady_clock::time_point until_;
  UniqueFd fd_;
};

}  // namespace

Result<std::string> call_unix(const std::string& path, std::string_view line, Duration deadline,
                              std::size_t bytes_max) {
  Call call{path, deadline};
  if (auto connected = call.connect(); !connected) return connected.error();
  if (auto sent = call.send(line); !sent) return sent.error();
  return call.read_line(bytes_max);
}

}  // namespace sallyport::net
