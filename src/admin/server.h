// The admin thread: HTTP for health and metrics, and the socket for commands. It has a loop of its own, so that
// whoever asks too much or too slowly holds up nobody's bytes; of the broker it knows only Control.
#pragma once

#include "admin/control.h"
#include "admin/http_answer.h"
#include "base/log.h"
#include "net/listener.h"

#include <memory>
#include <optional>

namespace sallyport::admin {

struct ServerSettings {
  std::optional<net::Listener> http;
  HttpRules http_rules;
  std::optional<net::Listener> commands;  ///< a Unix socket
};

/// Connections of each kind; one more takes the place of the oldest.
inline constexpr std::size_t connections_max = 16;
/// What the relay loop has to answer in: the probes of orchestrators wait a second.
inline constexpr auto status_deadline = std::chrono::milliseconds{900};
/// A command, a reload with many targets among them.
inline constexpr auto command_deadline = std::chrono::seconds{60};
/// One HTTP request from its first byte to its last; likewise its answer.
inline constexpr auto http_deadline = std::chrono::seconds{5};
inline constexpr std::size_t http_header_bytes_max = 8'192;

class Server {
 public:
  /// `control` outlives it; the listeners' sockets go with it.
  Server(ServerSettings settings, Control& control);
  ~Server();
  /// Closes the listeners; connections that are open go on.
  void accept_no_more();
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace sallyport::admin
