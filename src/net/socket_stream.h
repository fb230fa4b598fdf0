// A stream on a socket, plain or TLS. It belongs to one loop at a time and can move to another: detach,
// hand over, attach, and read once before waiting.
#pragma once

#include "net/epoll_loop.h"
#include "net/fd.h"
#include "net/ssl_handle.h"
#include "net/stream.h"

#include <vector>

namespace sallyport::net {

class SocketStream final : public Stream, private FdHandler {
 public:
  explicit SocketStream(UniqueFd fd);
  ~SocketStream() override;

  /// False: the kernel has no place for one more watch (errno says why); the stream is of no use then.
  bool attach(EpollLoop& loop);
  void detach();

  /// connect(2) is under way: on_writable() will say that it has ended (connect_error()).
  void expect_connect() { write_blocked_ = true; }
  /// errno of the finished connect(2); 0: connected.
  [[nodiscard]] int connect_error() const;

  /// From now on bytes go through `ssl`, whose handshake may be unfinished. Takes the socket's BIO over.
  /// `first_bytes` were read from the socket before: TLS gets them before what still comes.
  void adopt_tls(SslHandle ssl, std::vector<std::uint8_t> first_bytes = {});
  /// The handshake has failed: what follows is only read away. Bytes that TLS holds are lost.
  void drop_tls();
  [[nodiscard]] SSL* ssl() const { return ssl_.get(); }
  [[nodiscard]] int fd() const { return fd_.get(); }

  /// One step of the handshake, of either side. ok: done; would_block: an event will come; failed: see OpenSSL's queue.
  IoStatus handshake();

  IoResult read(MutableBytes into) override;
  /// Behind a read that said `closed`: nobody signed this end, anybody on the way could have made it.
  [[nodiscard]] bool lacks_close_notify() const;
  IoResult write(Bytes bytes) override;
  void shutdown_write() override;
  void set_events(StreamEvents* events) override { events_ = events; }
  [[nodiscard]] bool has_been_read() const override;
  [[nodiscard]] std::string peer_address() const override;
  [[nodiscard]] std::string local_address() const override;

 private:
  void on_ready(std::uint32_t events) override;
  IoResult read_plain(MutableBytes into);
  IoResult read_tls(MutableBytes into);
  IoResult write_plain(Bytes bytes);
  IoResult write_tls(Bytes bytes);
  IoStatus tls_status(int returned);
  void set_write_blocked(bool blocked);
  int take_first_bytes(char* into, std::size_t size);

  UniqueFd fd_;
  SslHandle ssl_;
  std::vector<std::uint8_t> first_bytes_;  // for TLS, in front of the socket's
  EpollLoop* loop_ = nullptr;
  Watch watch_;
  StreamEvents* events_ = nullptr;
  bool hung_up_ = false;  ///< the peer sends no more: read to the end whatever a read returns
  bool gone_ = false;     ///< nor does it read: neither direction is open
  bool write_blocked_ = false;
  bool socket_drained_ = false;    ///< TLS: the last read(2) brought less than was asked for
  bool read_wants_write_ = false;  ///< TLS: a read waits until we can write (key update)
  bool write_wants_read_ = false;
  friend struct SocketBio;
};

/// "127.0.0.1:5432", "[::1]:5432", "unix:/dir/.s.PGSQL.5432", "unix:" for an unnamed socket.
std::string describe_socket_address(int fd, bool peer);

}  // namespace sallyport::net
