// What both admin listeners do: take connections from a socket that net/ opened, at most so many, and of a Unix socket
// only root's and our own account's. Private to this folder.
#pragma once

#include "admin/server.h"
#include "net/peer.h"

#include <boost/asio/basic_socket_acceptor.hpp>
#include <boost/asio/generic/stream_protocol.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>

#include <deque>
#include <memory>
#include <optional>

#include <fcntl.h>
#include <unistd.h>

namespace sallyport::admin {

using Socket = boost::asio::generic::stream_protocol::socket;

/// Root, or whoever we are.
inline bool may_command(std::uint32_t uid) { return uid == 0 || uid == geteuid(); }

/// Connection: made from a Socket by `make`, with start() and close().
template <class Connection>
class Endpoint {
 public:
  using Make = std::function<std::shared_ptr<Connection>(Socket)>;

  Endpoint(boost::asio::io_context& io, net::Listener listener, int family, Make make)
      : listener_(std::move(listener)), acceptor_(io), retry_(io), make_(std::move(make)) {
    acceptor_.assign({family, 0}, dup_of(listener_->fd()));
    accept();
  }

  void accept_no_more() {
    boost::system::error_code ignored;
    retry_.cancel();
    acceptor_.close(ignored);
    listener_.reset();
  }

 private:
  static int dup_of(int fd) { return fcntl(fd, F_DUPFD_CLOEXEC, 0); }

  void accept() {
    acceptor_.async_accept([this](boost::system::error_code error, Socket socket) {
      if (error == boost::asio::error::operation_aborted || !listener_) return;
      if (error) return pause();
      if (auto connection = make_(std::move(socket))) keep(std::move(connection));
      accept();
    });
  }

  // Out of descriptors: the connection stays in the kernel's queue.
  void pause() {
    retry_.expires_after(std::chrono::milliseconds{100});
    retry_.async_wait([this](boost::system::error_code error) {
      if (!error) accept();
    });
  }

  void keep(std::shared_ptr<Connection> connection) {
    std::erase_if(open_, [](const auto& one) { return one.expired(); });
    if (open_.size() >= connections_max) {
      if (const auto oldest = open_.front().lock()) oldest->close();
      open_.pop_front();
    }
    open_.push_back(connection);
    connection->start();
  }

  std::optional<net::Listener> listener_;
  boost::asio::basic_socket_acceptor<boost::asio::generic::stream_protocol> acceptor_;
  boost::asio::steady_timer retry_;
  Make make_;
  std::deque<std::weak_ptr<Connection>> open_;  // oldest first
};

/// So that server.cpp needs neither Beast nor the connections.
class AnyEndpoint {
 public:
  virtual ~AnyEndpoint() = default;
  virtual void accept_no_more() = 0;
};

class StatusDesk;
using IoPtr = std::shared_ptr<boost::asio::io_context>;

std::unique_ptr<AnyEndpoint> serve_http(const IoPtr& io, net::Listener listener, HttpRules rules,
                                        std::shared_ptr<StatusDesk> desk);
std::unique_ptr<AnyEndpoint> serve_commands(const IoPtr& io, net::Listener listener, Control& control,
                                            std::shared_ptr<StatusDesk> desk);

}  // namespace sallyport::admin
