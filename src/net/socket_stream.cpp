#include "net/socket_stream.h"

#include <openssl/err.h>

#include <arpa/inet.h>
#include <linux/sockios.h>
#include <netinet/in.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>

namespace sallyport::net {

// A BIO of our own instead of OpenSSL's socket BIO, for one reason: it sees whether read(2) brought less
// than was asked for. Then the socket is empty and the read that would only say EAGAIN can be saved, once
// per query.
struct SocketBio {
  static SocketStream& stream(BIO* bio) { return *static_cast<SocketStream*>(BIO_get_data(bio)); }

  static int read(BIO* bio, char* into, int size) {
    auto& self = stream(bio);
    BIO_clear_retry_flags(bio);
    if (!self.first_bytes_.empty()) return self.take_first_bytes(into, static_cast<std::size_t>(size));
    const auto got = recv(self.fd_.get(), into, static_cast<std::size_t>(size), 0);
    self.socket_drained_ = got < size && !self.hung_up_;
    if (got < 0 && (errno == EAGAIN || errno == EINTR)) BIO_set_retry_read(bio);
    return static_cast<int>(got);
  }

  static int write(BIO* bio, const char* bytes, int size) {
    BIO_clear_retry_flags(bio);
    const auto sent = send(stream(bio).fd_.get(), bytes, static_cast<std::size_t>(size), MSG_NOSIGNAL);
    if (sent < 0 && (errno == EAGAIN || errno == EINTR)) BIO_set_retry_write(bio);
    return static_cast<int>(sent);
  }

  static long control(BIO*, int command, long, void*) { return command == BIO_CTRL_FLUSH ? 1 : 0; }

  static BIO_METHOD* method() {
    static BIO_METHOD* const made = [] {
      auto* fresh = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "sallyport socket");
      BIO_meth_set_read(fresh, &SocketBio::read);
      BIO_meth_set_write(fresh, &SocketBio::write);
      BIO_meth_set_ctrl(fresh, &SocketBio::control);
      return fresh;
    }();
    return made;
  }
};

SocketStream::SocketStream(UniqueFd fd) : fd_(std::move(fd)) {}

SocketStream::~SocketStream() { detach(); }

bool SocketStream::attach(EpollLoop& loop) {
  detach();
  const auto watch = loop.watch(fd_.get(), *this);
  if (watch.generation == 0) return false;
  loop_ = &loop;
  watch_ = watch;
  if (write_blocked_) loop.want_write(fd_.get(), watch_, true);
  return true;
}

void SocketStream::detach() {
  if (loop_ == nullptr) return;
  loop_->unwatch(fd_.get(), watch_);
  loop_ = nullptr;
}

int SocketStream::connect_error() const {
  int error = 0;
  socklen_t size = sizeof error;
  return getsockopt(fd_.get(), SOL_SOCKET, SO_ERROR, &error, &size) == 0 ? error : errno;
}

void SocketStream::adopt_tls(SslHandle ssl, std::vector<std::uint8_t> first_bytes) {
  ssl_ = std::move(ssl);
  first_bytes_ = std::move(first_bytes);
  auto* bio = BIO_new(SocketBio::method());
  BIO_set_data(bio, this);
  BIO_set_init(bio, 1);
  SSL_set_bio(ssl_.get(), bio, bio);
}

void SocketStream::drop_tls() {
  ssl_.reset();
  first_bytes_ = {};
}

int SocketStream::take_first_bytes(char* into, std::size_t size) {
  const auto count = std::min(size, first_bytes_.size());
  std::copy_n(first_bytes_.begin(), count, into);
  first_bytes_.erase(first_bytes_.begin(), first_bytes_.begin() + static_cast<std::ptrdiff_t>(count));
  if (first_bytes_.empty()) first_bytes_ = {};  // thousands of sessions idle
  socket_drained_ = false;
  return static_cast<int>(count);
}

IoStatus SocketStream::handshake() {
  ERR_clear_error();
  const auto returned = SSL_do_handshake(ssl_.get());
  return returned == 1 ? IoStatus::ok : tls_status(returned);
}

IoResult SocketStream::read(MutableBytes into) { return ssl_ ? read_tls(into) : read_plain(into); }

IoResult SocketStream::write(Bytes bytes) { return ssl_ ? write_tls(bytes) : write_plain(bytes); }

IoResult SocketStream::read_plain(MutableBytes into) {
  const auto got = recv(fd_.get(), into.data(), into.size(), 0);
  if (got > 0) {
    const auto bytes = static_cast<std::size_t>(got);
    return {IoStatus::ok, bytes, bytes == into.size() || hung_up_};
  }
  if (got == 0) return {IoStatus::closed, 0, false};
  if (errno == EAGAIN || errno == EINTR) return {IoStatus::would_block, 0, errno == EINTR};
  return {IoStatus::failed, 0, false};
}

IoResult SocketStream::write_plain(Bytes bytes) {
  const auto sent = send(fd_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
  if (sent >= 0) {
    if (static_cast<std::size_t>(sent) < bytes.size()) set_write_blocked(true);
    return {IoStatus::ok, static_cast<std::size_t>(sent), false};
  }
  if (errno != EAGAIN && errno != EINTR && errno != ENOBUFS) return {IoStatus::failed, 0, false};
  set_write_blocked(true);
  return {IoStatus::would_block, 0, false};
}

IoResult SocketStream::read_tls(MutableBytes into) {
  ERR_clear_error();
  std::size_t got = 0;
  const auto returned = SSL_read_ex(ssl_.get(), into.data(), into.size(), &got);
  if (returned == 1) {
    // SSL_has_pending also counts bytes that are read but not yet decrypted (read-ahead).
    return {IoStatus::ok, got, !socket_drained_ || SSL_has_pending(ssl_.get()) == 1};
  }
  const auto error = SSL_get_error(ssl_.get(), returned);
  if (error == SSL_ERROR_ZERO_RETURN) return {IoStatus::closed, 0, false};
  // An end without close_notify: PostgreSQL's backends end so when they are terminated.
  if (error == SSL_ERROR_SYSCALL && ERR_peek_error() == 0) return {IoStatus::closed, 0, false};
  if (error == SSL_ERROR_SSL && ERR_GET_REASON(ERR_peek_error()) == SSL_R_UNEXPECTED_EOF_WHILE_READING) {
    return {IoStatus::closed, 0, false};
  }
  return {tls_status(returned), 0, false};
}

IoResult SocketStream::write_tls(Bytes bytes) {
  if (bytes.empty()) return {IoStatus::ok, 0, false};
  ERR_clear_error();
  std::size_t sent = 0;
  const auto returned = SSL_write_ex(ssl_.get(), bytes.data(), bytes.size(), &sent);
  if (returned == 1) return {IoStatus::ok, sent, false};
  const auto status = tls_status(returned);
  if (SSL_get_error(ssl_.get(), returned) == SSL_ERROR_WANT_READ) write_wants_read_ = true;
  return {status, 0, false};
}

bool SocketStream::lacks_close_notify() const {
  return ssl_ != nullptr && (SSL_get_shutdown(ssl_.get()) & SSL_RECEIVED_SHUTDOWN) == 0;
}

IoStatus SocketStream::tls_status(int returned) {
  switch (SSL_get_error(ssl_.get(), returned)) {
    case SSL_ERROR_WANT_READ: return IoStatus::would_block;
    case SSL_ERROR_WANT_WRITE:
      read_wants_write_ = true;
      set_write_blocked(true);
      return IoStatus::would_block;
    default: return IoStatus::failed;
  }
}

void SocketStream::set_write_blocked(bool blocked) {
  if (write_blocked_ == blocked) return;
  write_blocked_ = blocked;
  if (loop_ != nullptr) loop_->want_write(fd_.get(), watch_, blocked);
}

void SocketStream::on_ready(std::uint32_t events) {
  if ((events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0) hung_up_ = true;
  // A socket that has yet to connect hangs up as well, without the second.
  if ((events & EPOLLHUP) != 0 && (events & EPOLLRDHUP) != 0) gone_ = true;
  const bool readable = (events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0;
  const bool writable = (events & (EPOLLOUT | EPOLLERR | EPOLLHUP)) != 0 && write_blocked_;
  bool wake_reader = readable;
  bool wake_writer = writable;
  if (writable) {
    set_write_blocked(false);
    if (read_wants_write_) wake_reader = true;
    read_wants_write_ = false;
  }
  if (readable && write_wants_read_) {
    write_wants_read_ = false;
    wake_writer = true;
  }
  // The owner may destroy this stream in on_writable: look at nothing of ours afterwards unless told to
  // read, and then only through the loop, which knows whether we are still registered.
  if (wake_reader && wake_writer) {
    auto* loop = loop_;
    const auto watch = watch_;
    if (events_ != nullptr) events_->on_writable();
    if (!loop->is_watched(watch)) return;
  } else if (wake_writer) {
    if (events_ != nullptr) events_->on_writable();
    return;
  }
  if (wake_reader && events_ != nullptr) events_->on_readable();
}

void SocketStream::shutdown_write() {
  if (ssl_) {
    ERR_clear_error();
    SSL_shutdown(ssl_.get());
  }
  if (!gone_) ::shutdown(fd_.get(), SHUT_WR);
}

bool SocketStream::has_been_read() const {
  int unread = 0;
  return ioctl(fd_.get(), SIOCOUTQ, &unread) != 0 || unread == 0;
}

std::string SocketStream::peer_address() const { return describe_socket_address(fd_.get(), true); }
std::string SocketStream::local_address() const { return describe_socket_address(fd_.get(), false); }

std::string describe_socket_address(int fd, bool peer) {
  sockaddr_storage storage{};
  socklen_t size = sizeof storage;
  auto* address = reinterpret_cast<sockaddr*>(&storage);
  if ((peer ? getpeername(fd, address, &size) : getsockname(fd, address, &size)) != 0) return "";
  char text[INET6_ADDRSTRLEN] = "";
  if (storage.ss_family == AF_INET) {
    const auto& v4 = reinterpret_cast<const sockaddr_in&>(storage);
    inet_ntop(AF_INET, &v4.sin_addr, text, sizeof text);
    return std::string{text} + ":" + std::to_string(ntohs(v4.sin_port));
  }
  if (storage.ss_family == AF_INET6) {
    const auto& v6 = reinterpret_cast<const sockaddr_in6&>(storage);
    inet_ntop(AF_INET6, &v6.sin6_addr, text, sizeof text);
    return "[" + std::string{text} + "]:" + std::to_string(ntohs(v6.sin6_port));
  }
  const auto& local = reinterpret_cast<const sockaddr_un&>(storage);
  const auto named = size > offsetof(sockaddr_un, sun_path);
  return named ? "unix:" + std::string{local.sun_path} : "unix:";
}

}  // namespace sallyport::net
