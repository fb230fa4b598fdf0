// Takes connections from a listening socket and hands them on as streams.
//
// Out of file descriptors it pauses instead of spinning: the connection stays in the kernel's queue.
#pragma once

#include "net/listener.h"
#include "net/socket_stream.h"

#include <functional>

namespace sallyport::net {

/// Owns the listener: the socket and its names go with the acceptor.
class Acceptor final : private FdHandler {
 public:
  /// `on_accept` gets streams that are attached to `loop`.
  Acceptor(Listener listener, EpollLoop& loop, std::function<void(std::unique_ptr<SocketStream>)> on_accept);
  ~Acceptor();
  Acceptor(const Acceptor&) = delete;
  Acceptor& operator=(const Acceptor&) = delete;

  [[nodiscard]] int fd() const { return listener_.fd(); }

 private:
  void on_ready(std::uint32_t events) override;
  void watch();
  void pause();

  Listener listener_;
  EpollLoop& loop_;
  std::function<void(std::unique_ptr<SocketStream>)> on_accept_;
  Watch watch_;
  TimerId paused_;
};

}  // namespace sallyport::net
