// The successor's side of a binary upgrade: finds the Sallyport that runs, proves to it who we are, and gets its sockets.
//
// Nothing of the predecessor changes before it has answered serving(): dropped sooner, this leaves it as it was.
#pragma once

#include "cli/command.h"
#include "cli/handover_talk.h"
#include "net/handed_sockets.h"
#include "net/peer.h"

#include <functional>
#include <optional>

namespace sallyport::cli {

class TakeOver {
 public:
  /// Nothing: no Sallyport runs that could be taken over from. With one thread and before any secret is fetched: for as
  /// long as the other looks at us, this process may be looked at by its own account.
  ///
  /// Errors  denied: it is of another account, does not hold the instance's lock, or refuses.  timed_out.
  ///         bad_config: the configuration has no admin socket.
  static Result<std::optional<TakeOver>> ask(const Context& context, const config::Config& config);

  /// Its sockets, into `sockets`. Errors  of handover::hear_only() and HandedSockets::add().
  Result<void> receive(net::HandedSockets& sockets);

  /// Whether it has this credential, so that we have to fetch it before we serve.
  [[nodiscard]] bool has_credential(const std::string& target_and_role) const;

  /// Errors  cancelled: it waits for us no longer, because it was stopped or has died.
  [[nodiscard]] Result<void> still_waits() const;

  /// We accept connections; it stops, and says which targets are paused.
  ///
  /// Errors  of handover::hear_only(): it goes on, or the sockets have gone with it; we have to stop.
  Result<handover::Released> serving();

  /// For what is said afterwards.
  [[nodiscard]] net::PacketChannel take_channel() { return std::move(channel_); }
  [[nodiscard]] std::int64_t pid() const { return peer_.pid; }
  [[nodiscard]] const std::string& version() const { return version_; }

 private:
  TakeOver(net::PacketChannel channel, net::UnixPeer peer)
      : channel_(std::move(channel)), peer_(std::move(peer)) {}
  Result<void> introduce(const Context& context, const config::Config& config,
                         const std::function<bool(const net::UniqueFd& lock)>& is_lock);

  net::PacketChannel channel_;
  net::UnixPeer peer_;
  std::string version_;
  std::vector<std::string> credentials_;
};

}  // namespace sallyport::cli
