// The TLS context that a route's new clients get. Another takes its place when the route's files have changed, while
// handshakes under way keep theirs.
#pragma once

#include "net/server_tls.h"

#include <atomic>
#include <memory>
#include <utility>

namespace sallyport::broker {

/// Thread-safe.
class RouteTls {
 public:
  explicit RouteTls(std::shared_ptr<const net::ServerTls> first) : current_(std::move(first)) {}
  [[nodiscard]] std::shared_ptr<const net::ServerTls> current() const { return std::atomic_load(&current_); }
  void replace(std::shared_ptr<const net::ServerTls> next) { std::atomic_store(&current_, std::move(next)); }

 private:
  std::shared_ptr<const net::ServerTls> current_;
};

}  // namespace sallyport::broker
