// Listening sockets that our predecessor hands to us at a binary upgrade.
//
// They are held besides until it has stopped accepting: only then their names in the file system are ours, and what our
// configuration does not name is closed. Given up before that, nothing of them has changed.
#pragma once

#include "base/result.h"
#include "net/listener.h"

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace sallyport::net {

/// A predecessor that hands over more is none of ours.
inline constexpr std::size_t handed_max = 4'096;

class HandedSockets {
 public:
  /// `path` empty: a TCP socket, or one that the service manager opened. `lock` goes with a path.
  ///
  /// Errors  of SocketDirectory::open_shared() and adopt().  denied: it does not listen.  limit_exceeded.
  Result<void> add(const std::string& path, UniqueFd socket, UniqueFd lock);

  /// The socket that listens there; once.
  [[nodiscard]] std::optional<Listener> take_unix(const std::string& path);
  [[nodiscard]] std::optional<Listener> take_tcp(const std::string& address, std::uint16_t port);

  /// Their names are ours from now on. Those that nobody took are closed; where they listened.
  std::vector<std::string> keep();

  [[nodiscard]] std::size_t size() const { return sockets_.size(); }

 private:
  struct One {
    std::string address;  ///< "unix:PATH", or as describe_socket_address()
    Listener listener;
  };
  struct Named {
    UniqueFd lock, socket;
  };
  [[nodiscard]] std::optional<Listener> take(const std::string& address);

  std::vector<std::unique_ptr<One>> sockets_;
  std::vector<Named> named_;  ///< of all that have a name, whoever took them: they say whose they are
  Ownership ours_ = std::make_shared<std::atomic<bool>>(false);
};

}  // namespace sallyport::net
