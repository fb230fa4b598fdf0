// Where our Unix socket stands, and how we make sure that it is ours (threat 8).
//
// libpq finds a socket by DIR/.s.PGSQL.PORT. Whoever can replace that file, or a directory above it,
// receives the application's connections; so the directory is checked component by component without
// following links, kept open, locked, and the socket is bound inside the open directory.
#pragma once

#include "base/result.h"
#include "net/listener.h"

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

namespace sallyport::net {

/// A private one is removed when it and its listeners are gone, as long as it is still there and still ours.
class SocketDirectory {
 public:
  /// For `exec`: a new directory of mode 0700 under `runtime_directory` ($XDG_RUNTIME_DIR; skipped when
  /// empty, not ours, or so long that the socket's path would not fit), else under /tmp.
  ///
  /// Errors  hop listener.  retry_later: no space, no inodes.  bad_config: neither place can be used.
  static Result<SocketDirectory> make_private(const std::string& runtime_directory);

  /// For `serve`: an existing directory, or one that is made (0755) in an existing trusted one. Owner root or
  /// us; nobody else may write to it or to what leads to it; no component is a link.
  ///
  /// Errors  bad_config, hop listener: names the component and the command that mends it.
  static Result<SocketDirectory> open_shared(const std::string& directory);

  /// Binds and listens on .s.PGSQL.`port` in this directory: non-blocking, close-on-exec; mode 0600 in a
  /// private directory, 0666 in a shared one, where the peer check decides. A socket that is in the way
  /// is removed only under the lock .s.PGSQL.PORT.lock and after a refused connection to it. The listener may
  /// outlive this; socket and lock go with it, and with an error nothing of them stays.
  ///
  /// Errors  hop listener.  bad_config: another instance holds the lock (with its pid); something answers on
  ///         the socket; what is in the way is no socket.
  [[nodiscard]] Result<Listener> listen_unix(std::uint16_t port) const;

  /// The same for a socket of another name and mode, in a shared directory; its lock is NAME.lock.
  [[nodiscard]] Result<Listener> listen_named(const std::string& name, mode_t mode) const;

  /// A new file of mode 0600 in this directory; it goes with what is returned.
  /// Errors  hop listener.  retry_later: no space.
  [[nodiscard]] Result<MadeFile> write_file(const std::string& name, std::string_view text) const;

  /// True while the path still leads to the directory that we hold (nobody cleaned or replaced it).
  [[nodiscard]] bool still_there() const { return held_->still_there(); }

  [[nodiscard]] const std::string& path() const { return held_->path(); }
  [[nodiscard]] std::string socket_path(std::uint16_t port) const;

 private:
  SocketDirectory(std::string path, UniqueFd directory, bool is_private);
  [[nodiscard]] Result<UniqueFd> take_lock(const std::string& name) const;
  [[nodiscard]] Result<void> clear_way(const std::string& name) const;

  std::shared_ptr<const HeldDirectory> held_;
};

/// Listens on an IP literal of this machine; port 0 takes any. Non-blocking, close-on-exec.
///
/// Errors  hop listener, where = "ADDRESS:PORT".  bad_config: no IP literal, not an address of this machine, a
///         port in use (by whom, where that can be seen) or below 1024 without the right to it.
Result<UniqueFd> listen_tcp(const std::string& address, std::uint16_t port);

/// The port a listening or connected TCP socket got; 0 when it has none.
std::uint16_t port_of(int fd);

inline constexpr int listen_backlog = 512;

}  // namespace sallyport::net
