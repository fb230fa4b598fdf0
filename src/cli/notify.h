// Tells the service manager how we are (sd_notify's protocol, one datagram a message).
//
// Source  sd_notify(3): the socket in NOTIFY_SOCKET, "READY=1", "RELOADING=1", "STOPPING=1".
#pragma once

#include <string>
#include <string_view>

namespace sallyport::cli {

class Notify {
 public:
  /// `socket`: NOTIFY_SOCKET's value; empty: nobody listens. '@' begins an abstract name.
  explicit Notify(std::string socket) : socket_(std::move(socket)) {}

  /// Best effort: a manager that does not listen is no reason to fail.
  void say(std::string_view state) const;

 private:
  std::string socket_;
};

}  // namespace sallyport::cli
