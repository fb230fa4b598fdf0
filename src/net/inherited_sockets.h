// Listening sockets that the service manager opened for us (socket activation, sd_listen_fds(3)).
//
// They are taken only if they were meant for this very process, and used only where their address is one that the
// configuration names; whatever else came is closed and told (threat 15): a descriptor that nobody asked for would be
// a door that no rule is about.
#pragma once

#include "net/fd.h"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace sallyport::net {

inline constexpr int first_inherited_fd = 3;
inline constexpr int inherited_max = 256;

class InheritedSockets {
 public:
  /// None.
  InheritedSockets() = default;

  /// The values of LISTEN_PID and LISTEN_FDS. Takes the descriptors from `first` on, close-on-exec and non-blocking.
  /// Another pid, or no number: none are taken.
  static InheritedSockets take(std::string_view listen_pid, std::string_view listen_fds,
                               int first = first_inherited_fd);

  /// A descriptor of the socket that listens there. It is kept besides, for a reload that closes and opens again.
  [[nodiscard]] std::optional<UniqueFd> find_unix(const std::string& path);
  [[nodiscard]] std::optional<UniqueFd> find_tcp(const std::string& address, std::uint16_t port);

  /// Closes those that were never found; what they were.
  std::vector<std::string> close_unused();

 private:
  struct One {
    UniqueFd fd;
    std::string address;  ///< as describe_socket_address(); empty: no listening stream socket
    std::string what;     ///< for people
    bool used = false;
  };
  [[nodiscard]] std::optional<UniqueFd> find(const std::string& address);

  std::vector<One> sockets_;
};

}  // namespace sallyport::net
