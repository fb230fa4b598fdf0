// An HTTPS server that keeps connections.
#pragma once

#include "test/net/http_text.h"
#include "test/net/tls_server.h"

#include <sys/socket.h>

#include <atomic>
#include <functional>
#include <optional>
#include <string>

namespace sallyport::test {

/// Keeps each connection open until the client closes it; `answer` gets the number of the request on its connection, from
/// 1, and closes with none; after
/// `requests_max` of them it closes without a word. `unasked` is sent behind the first answer of each connection.
class KeepingServer {
 public:
  using Answer = std::function<std::optional<std::string>(int)>;

  KeepingServer(const ServerSpec& tls, Answer answer, int requests_max = 1000, std::string unasked = {})
      : context_(server_context(tls)),
        answer_(std::move(answer)),
        requests_max_(requests_max),
        unasked_(std::move(unasked)),
        server_([this](int fd) {
          serve(fd);
          shutdown(fd, SHUT_RDWR);
          ++ended_;
        }) {}

  [[nodiscard]] std::uint16_t port() const { return server_.port(); }
  [[nodiscard]] int connections() const { return server_.accepted(); }
  [[nodiscard]] int requests() const { return requests_; }
  [[nodiscard]] int ended() const { return ended_; }  ///< connections

 private:
  void serve(int fd) {
    std::unique_ptr<SSL, With<SSL_free>> ssl{SSL_new(context_.get())};
    SSL_set_fd(ssl.get(), fd);
    if (SSL_accept(ssl.get()) != 1) return;
    for (int number = 1; number <= requests_max_; ++number) {
      const auto request = read_request(
          [&](char* into, std::size_t size) { return SSL_read(ssl.get(), into, static_cast<int>(size)); });
      if (request.empty()) return;
      ++requests_;
      const auto answer = answer_(number);
      if (!answer) return;
      SSL_write(ssl.get(), answer->data(), static_cast<int>(answer->size()));
      if (number == 1 && !unasked_.empty())
        SSL_write(ssl.get(), unasked_.data(), static_cast<int>(unasked_.size()));
    }
  }

  SslContext context_;
  Answer answer_;
  int requests_max_;
  std::string unasked_;
  std::atomic<int> requests_ = 0, ended_ = 0;
  SocketServer server_;
};

}  // namespace sallyport::test
