// A real OpenSSL server on a loopback port, one connection at a time, on a thread of its own.
#pragma once

#include "net/dns.h"
#include "net/fd.h"
#include "test/net/pki.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <sys/socket.h>

#include <atomic>
#include <functional>
#include <thread>

namespace sallyport::test {

inline net::UniqueFd listen_on_loopback(std::uint16_t& port) {
  net::UniqueFd fd{socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)};
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  must(bind(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) == 0, "bind");
  must(listen(fd.get(), 16) == 0, "listen");
  socklen_t size = sizeof address;
  getsockname(fd.get(), reinterpret_cast<sockaddr*>(&address), &size);
  port = ntohs(address.sin_port);
  return fd;
}

inline net::UniqueFd connect_to_loopback(std::uint16_t port) {
  net::UniqueFd fd{socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)};
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  must(connect(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) == 0, "connect");
  const timeval patience{10, 0};
  setsockopt(fd.get(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  setsockopt(fd.get(), SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
  return fd;
}

struct ServerSpec {
  Identity identity;
  std::vector<Identity> chain;               ///< intermediates that it sends
  std::vector<Identity> client_authorities;  ///< not empty: a client certificate is required
  int version_max = TLS1_3_VERSION;
  int version_min = TLS1_VERSION;
  std::string ciphers;  ///< TLS 1.2 list
  std::string alpn;     ///< the only protocol it agrees to
};

using SslContext = std::shared_ptr<SSL_CTX>;

inline SslContext server_context(const ServerSpec& spec) {
  SslContext context{SSL_CTX_new(TLS_server_method()), SSL_CTX_free};
  auto* raw = context.get();
  SSL_CTX_set_min_proto_version(raw, spec.version_min);
  SSL_CTX_set_max_proto_version(raw, spec.version_max);
  SSL_CTX_set_security_level(raw, 0);
  if (!spec.ciphers.empty()) must(SSL_CTX_set_cipher_list(raw, spec.ciphers.c_str()) == 1, "ciphers");
  must(SSL_CTX_use_certificate(raw, spec.identity.certificate.get()) == 1, "certificate");
  must(SSL_CTX_use_PrivateKey(raw, spec.identity.key.get()) == 1, "key");
  for (const auto& link : spec.chain)
    must(SSL_CTX_add1_chain_cert(raw, link.certificate.get()) == 1, "chain");
  if (!spec.client_authorities.empty()) {
    for (const auto& authority : spec.client_authorities) {
      X509_STORE_add_cert(SSL_CTX_get_cert_store(raw), authority.certificate.get());
    }
    SSL_CTX_set_verify(raw, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, nullptr);
  }
  return context;
}

/// Runs `serve` for each connection until it goes.
class SocketServer {
 public:
  explicit SocketServer(std::function<void(int)> serve) : serve_(std::move(serve)) {
    listener_ = listen_on_loopback(port_);
    thread_ = std::thread{[this] { loop(); }};
  }
  ~SocketServer() {
    stopping_ = true;
    shutdown(listener_.get(), SHUT_RDWR);
    thread_.join();
  }
  SocketServer(const SocketServer&) = delete;
  SocketServer& operator=(const SocketServer&) = delete;

  [[nodiscard]] std::uint16_t port() const { return port_; }
  [[nodiscard]] int accepted() const { return accepted_; }
  [[nodiscard]] bool stopping() const { return stopping_; }

 private:
  void loop() {
    while (!stopping_) {
      const net::UniqueFd fd{accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC)};
      if (!fd.valid()) continue;
      ++accepted_;
      const timeval patience{10, 0};
      setsockopt(fd.get(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
      serve_(fd.get());
    }
  }

  std::function<void(int)> serve_;
  std::uint16_t port_ = 0;
  net::UniqueFd listener_;
  std::atomic<bool> stopping_ = false;
  std::atomic<int> accepted_ = 0;
  std::thread thread_;
};

/// Shakes hands, sends "hello" and waits for the client to close.
class TlsServer {
 public:
  explicit TlsServer(const ServerSpec& spec)
      : alpn_(spec.alpn), context_(server_context(spec)), server_([this](int fd) { serve(fd); }) {}

  [[nodiscard]] std::uint16_t port() const { return server_.port(); }
  [[nodiscard]] std::string server_name() const { return server_name_; }

 private:
  static int choose_alpn(SSL*, const unsigned char** out, unsigned char* out_size, const unsigned char*,
                         unsigned, void* self) {
    const auto& alpn = static_cast<TlsServer*>(self)->alpn_;
    *out = reinterpret_cast<const unsigned char*>(alpn.data());
    *out_size = static_cast<unsigned char>(alpn.size());
    return SSL_TLSEXT_ERR_OK;
  }

  void serve(int fd) {
    if (!alpn_.empty()) SSL_CTX_set_alpn_select_cb(context_.get(), choose_alpn, this);
    std::unique_ptr<SSL, With<SSL_free>> ssl{SSL_new(context_.get())};
    SSL_set_fd(ssl.get(), fd);
    if (SSL_accept(ssl.get()) != 1) return;
    const char* name = SSL_get_servername(ssl.get(), TLSEXT_NAMETYPE_host_name);
    server_name_ = name == nullptr ? "" : name;
    SSL_write(ssl.get(), "hello", 5);
    char byte = 0;
    SSL_read(ssl.get(), &byte, 1);
    SSL_shutdown(ssl.get());
  }

  std::string alpn_;
  std::string server_name_;
  SslContext context_;
  SocketServer server_;
};

}  // namespace sallyport::test
