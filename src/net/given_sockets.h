// Listening sockets that others have opened for us: the service manager, or the Sallyport that we take over from. What
// none of them has is opened by us.
#pragma once

#include "net/handed_sockets.h"
#include "net/inherited_sockets.h"

namespace sallyport::net {

struct GivenSockets {
  InheritedSockets inherited;
  HandedSockets handed;

  [[nodiscard]] std::optional<Listener> find_unix(const std::string& path) {
    if (auto socket = inherited.find_unix(path)) return Listener{std::move(*socket)};
    return handed.take_unix(path);
  }
  [[nodiscard]] std::optional<Listener> find_tcp(const std::string& address, std::uint16_t port) {
    if (auto socket = inherited.find_tcp(address, port)) return Listener{std::move(*socket)};
    return handed.take_tcp(address, port);
  }
};

}  // namespace sallyport::net
