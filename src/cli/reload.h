// The configuration that a running broker serves, and how the next one takes its place: everything that can fail is
// prepared beside what is open; then all of it is applied, or it is dropped and nothing has changed.
#pragma once

#include "cli/runtime.h"
#include "config/config.h"
#include "net/given_sockets.h"
#include "net/listener.h"

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace sallyport::cli {

struct PreparedRoute {
  std::shared_ptr<const broker::RouteRuntime> runtime;
  std::optional<net::Listener> listener;  ///< none: the one that is open goes on
};

/// A whole configuration, ready to be applied. Dropped instead, it closes its listeners and removes those that we made.
struct PreparedConfig {
  config::Config config;
  std::vector<std::shared_ptr<Runtime::PreparedTarget>> targets;
  std::vector<PreparedRoute> routes;
};

/// What applying a configuration has done, for the log.
struct AppliedConfig {
  std::string changed;             ///< what_changes()
  std::string needs_restart;       ///< what_needs_restart(); empty: nothing
  std::size_t sessions_ended = 0;  ///< sessions that end because the new policy refuses them
};

class ServedConfig {
 public:
  /// Nothing is served yet. Both outlive this. `given` null: nobody opened sockets for us. `scout` as in
  /// UnixPeerProver.
  explicit ServedConfig(Runtime& runtime, net::GivenSockets* given = nullptr,
                        std::shared_ptr<net::Scout> scout = nullptr)
      : runtime_(runtime), given_(given), scout_(std::move(scout)) {}

  /// check() and open_listeners().
  [[nodiscard]] Result<PreparedConfig> prepare(config::Config fresh) const;

  /// Opens what `fresh` names and what is not open yet, but for sockets. Nobody is served by it before apply().
  ///
  /// Errors  of Runtime::prepare_target() and net::ServerTls.
  [[nodiscard]] Result<PreparedConfig> check(config::Config fresh) const;
  /// Errors  of net::SocketDirectory: what was opened before is closed again.
  [[nodiscard]] Result<void> open_listeners(PreparedConfig& prepared) const;
  /// Their credentials can be fetched from now on; nobody is served yet.
  void open_targets(PreparedConfig& prepared);
  /// Others accept our connections: what is applied from now on opens no sockets.
  void accept_no_more() { accepts_ = false; }

  /// New sessions are served by `prepared` from now on; what it does not name is closed. But for the first time the
  /// trail gets a policy_changed record, and sessions that are refused now end within its reload_grace (threat 14).
  AppliedConfig apply(PreparedConfig prepared);

  /// What is in force: after a reload that changes what needs a restart, still with the values of the start.
  /// Contract: something has been applied.
  [[nodiscard]] const config::Config& config() const { return *config_; }

 private:
  [[nodiscard]] Result<PreparedRoute> prepare_route(const Route& route, Duration grace) const;
  void apply_route(PreparedRoute prepared);
  void close_what_is_gone(const config::Config& fresh);
  std::size_t end_refused(Duration grace);

  Runtime& runtime_;
  net::GivenSockets* given_;
  std::shared_ptr<net::Scout> scout_;
  bool accepts_ = true;
  std::shared_ptr<TcpPeerProver> tcp_prover_ = std::make_shared<TcpPeerProver>();
  std::optional<config::Config> config_;
  std::map<std::string, std::shared_ptr<const broker::RouteRuntime>> routes_;  ///< open ones, by name
};

}  // namespace sallyport::cli
