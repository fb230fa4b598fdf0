// Takes connections from a listening socket and hands them on as streams.
//
// Out of file descriptors it pauses instead of spinning, and says so: the connection stays in the kernel's queue. Whom the
// doorkeeper does not let in costs two system calls, so that a flood of connections does not fill that queue.
#pragma once

#include "net/listener.h"
#include "net/socket_stream.h"

#include <functional>
#include <optional>

namespace sallyport::net {

/// Owns the listener: the socket and its names go with the acceptor.
class Acceptor final : private FdHandler {
 public:
  /// Asked about each connection before anything is set up for it. False: it is closed at once.
  using Doorkeeper = std::function<bool(int fd)>;

  /// Told why nothing can be accepted now (an errno), once a minute at most.
  using OnExhausted = std::function<void(int reason)>;

  /// `on_accept` gets streams that are attached to `loop`. No doorkeeper: all are let in.
  Acceptor(Listener listener, EpollLoop& loop, std::function<void(std::unique_ptr<SocketStream>)> on_accept,
           Doorkeeper doorkeeper = {}, OnExhausted on_exhausted = {});
  ~Acceptor();
  Acceptor(const Acceptor&) = delete;
  Acceptor& operator=(const Acceptor&) = delete;

  [[nodiscard]] int fd() const { return listener_.fd(); }
  [[nodiscard]] SharedListener share() const { return listener_.share(); }

 private:
  void on_ready(std::uint32_t events) override;
  void watch();
  void pause();
  void tell_exhausted(int reason);

  Listener listener_;
  EpollLoop& loop_;
  std::function<void(std::unique_ptr<SocketStream>)> on_accept_;
  Doorkeeper doorkeeper_;
  OnExhausted on_exhausted_;
  bool keeps_alive_;
  std::optional<MonotonicTime> told_at_;
  Watch watch_;
  TimerId paused_;
};

}  // namespace sallyport::net
