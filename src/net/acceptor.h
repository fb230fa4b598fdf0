// Takes connections from a listening socket and hands them on as streams.
//
// Out of file descriptors it pauses instead of spinning: the connection stays in the kernel's queue. Whom the
// doorkeeper does not let in costs two system calls, so that a flood of connections does not fill that queue.
#pragma once

#include "net/listener.h"
#include "net/socket_stream.h"

#include <functional>

namespace sallyport::net {

/// Owns the listener: the socket and its names go with the acceptor.
class Acceptor final : private FdHandler {
 public:
  /// Asked about each connection before anything is set up for it. False: it is closed at once.
  using Doorkeeper = std::function<bool(int fd)>;

  /// `on_accept` gets streams that are attached to `loop`. No doorkeeper: all are let in.
  Acceptor(Listener listener, EpollLoop& loop, std::function<void(std::unique_ptr<SocketStream>)> on_accept,
           Doorkeeper doorkeeper = {});
  ~Acceptor();
  Acceptor(const Acceptor&) = delete;
  Acceptor& operator=(const Acceptor&) = delete;

  [[nodiscard]] int fd() const { return listener_.fd(); }
  [[nodiscard]] SharedListener share() const { return listener_.share(); }

 private:
  void on_ready(std::uint32_t events) override;
  void watch();
  void pause();

  Listener listener_;
  EpollLoop& loop_;
  std::function<void(std::unique_ptr<SocketStream>)> on_accept_;
  Doorkeeper doorkeeper_;
  Watch watch_;
  TimerId paused_;
};

}  // namespace sallyport::net
