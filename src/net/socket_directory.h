// Where our Unix socket stands, and how we make sure that it is ours (threat 8).
//
// libpq finds a socket by DIR/.s.PGSQL.PORT. Whoever can replace that file, or a directory above it,
// receives the application's connections; so the directory is checked component by component without
// following links, kept open, locked, and the socket is bound inside the open directory.
#pragma once

#include "base/result.h"
#include "net/listener.h"

#include <sys/socket.h>

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
  /// `type`: SOCK_STREAM or SOCK_SEQPACKET.
  [[nodiscard]] Result<Listener> listen_named(const std::string& name, mode_t mode,
                                              int type = SOCK_STREAM) const;

  /// The listener of this name that another process has handed to us. Its names stay when it goes, until `ours` says
  /// otherwise: then they are ours, and so says the lock.
  ///
  /// Errors  hop listener, denied: `lock` does not hold the lock of this name, `socket` does not listen, or there is
  ///         no socket of this name.
  [[nodiscard]] Result<Listener> adopt(const std::string& name, UniqueFd lock, UniqueFd socket,
                                       const Ownership& ours) const;

  /// Whether `lock` is the lock file of this name, and the process that it comes from holds its lock.
  [[nodiscard]] bool is_lock_of(const std::string& name, const UniqueFd& lock) const;

  /// A connection to the socket of this name: close-on-exec, blocking.
  /// Errors  hop listener.  not_found: nobody listens there.  retry_later: its queue is full, or the system's.
  [[nodiscard]] Result<UniqueFd> connect_to(const std::string& name, int type) const;

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
  [[nodiscard]] Result<void> clear_way(const std::string& name, int type) const;

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
