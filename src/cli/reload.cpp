#include "cli/reload.h"

#include "cli/config_change.h"
#include "net/socket_directory.h"

namespace sallyport::cli {

namespace {

/// `others`: sockets that somebody has opened already; may be null.
Result<net::Listener> open_listener(const Route& route, net::GivenSockets* others) {
  if (const auto* tcp = std::get_if<TcpListen>(&route.listen)) {
    auto given = others == nullptr ? std::nullopt : others->find_tcp(tcp->address, tcp->port);
    if (given) return std::move(*given);
    auto socket = net::listen_tcp(tcp->address, tcp->port);
    if (!socket) return socket.error();
    return net::Listener{std::move(*socket)};
  }
  const auto& local = std::get<UnixListen>(route.listen);
  // Opened anew each time: whose it is now counts, and one that was replaced meanwhile is found by its path.
  const auto directory = net::SocketDirectory::open_shared(local.directory);
  if (!directory) return directory.error();
  auto given = others == nullptr ? std::nullopt : others->find_unix(directory->socket_path(local.port));
  if (given) return std::move(*given);
  return directory->listen_unix(local.port);
}

net::WantedFacts wanted_by(const Route& route) {
  net::WantedFacts wanted;
  for (const auto& rule : route.allow) {
    wanted.cgroup = wanted.cgroup || !rule.cgroup.empty() || !rule.unit.empty();
    wanted.executable = wanted.executable || !rule.executable.empty();
  }
  return wanted;
}

}  // namespace

Result<PreparedConfig> ServedConfig::prepare(config::Config fresh) const {
  auto prepared = check(std::move(fresh));
  if (!prepared) return prepared;
  if (auto opened = open_listeners(*prepared); !opened) return opened.error();
  return prepared;
}

Result<void> ServedConfig::open_listeners(PreparedConfig& prepared) const {
  for (auto& route : prepared.routes) {
    const auto& wanted = route.runtime->route;
    if (!accepts_ || routes_.contains(wanted.name)) continue;
    auto listener = open_listener(wanted, given_);
    if (!listener) return listener.error();
    route.listener.emplace(std::move(*listener));
  }
  return {};
}

Result<PreparedConfig> ServedConfig::check(config::Config fresh) const {
  PreparedConfig prepared;
  for (const auto& [name, target] : fresh.targets) {
    auto ready = runtime_.prepare_target(target);
    if (!ready) return ready.error();
    prepared.targets.push_back(std::move(*ready));
  }
  for (const auto& route : fresh.routes) {
    auto ready = prepare_route(route, fresh.reload_grace);
    if (!ready) return ready.error();
    prepared.routes.push_back(std::move(*ready));
  }
  prepared.config = std::move(fresh);
  return prepared;
}

Result<PreparedRoute> ServedConfig::prepare_route(const Route& route, Duration grace) const {
  auto runtime = std::make_shared<broker::RouteRuntime>();
  runtime->route = route;
  runtime->grace = grace;
  if (std::holds_alternative<TcpListen>(route.listen)) {
    runtime->prover = tcp_prover_;
  } else {
    runtime->prover = std::make_shared<UnixPeerProver>(wanted_by(route), scout_);
  }
  if (!route.passwords.empty()) {
    const auto key = runtime_.mock_key();
    if (!key) return key.error();
    runtime->mock = {*key, policy::usual_shape(route.passwords)};
  }
  if (route.tls) {
    auto context = net::ServerTls::from_files(*route.tls, runtime_.outside());
    if (!context) return context.error();
    runtime->tls = std::make_shared<broker::RouteTls>(std::move(*context));
  }
  return PreparedRoute{std::move(runtime), {}};
}

void ServedConfig::open_targets(PreparedConfig& prepared) {
  for (auto& target : prepared.targets) runtime_.apply_target(*target);
  prepared.targets.clear();
}

AppliedConfig ServedConfig::apply(PreparedConfig prepared) {
  AppliedConfig applied;
  open_targets(prepared);
  for (auto& route : prepared.routes) apply_route(std::move(route));
  if (config_) {
    applied.changed = what_changes(*config_, prepared.config);
    applied.needs_restart = what_needs_restart(*config_, prepared.config);
    close_what_is_gone(prepared.config);
    // Before the sessions' ends, whose reason it is.
    runtime_.record_policy_change(applied.changed);
    applied.sessions_ended = end_refused(prepared.config.reload_grace);
    prepared.config.state_directory = config_->state_directory;
    prepared.config.audit = config_->audit;
    prepared.config.admin = config_->admin;
    prepared.config.sandbox = config_->sandbox;
  }
  config_ = std::move(prepared.config);
  return applied;
}

void ServedConfig::apply_route(PreparedRoute prepared) {
  routes_[prepared.runtime->route.name] = prepared.runtime;
  if (prepared.listener) {
    runtime_.listen(std::move(*prepared.listener), std::move(prepared.runtime));
  } else {
    runtime_.replace_route(std::move(prepared.runtime));
  }
}

void ServedConfig::close_what_is_gone(const config::Config& fresh) {
  std::map<std::string, std::shared_ptr<const broker::RouteRuntime>> stay;
  for (const auto& route : fresh.routes) stay.insert(routes_.extract(route.name));
  for (const auto& [name, route] : routes_) runtime_.stop_listening(name);
  routes_ = std::move(stay);
  for (const auto& [name, target] : config_->targets) {
    if (fresh.targets.contains(name)) continue;
    runtime_.close_target(name);
  }
}

std::size_t ServedConfig::end_refused(Duration grace) {
  std::size_t ended = 0;
  runtime_.on_relay([&](broker::Broker& broker) { ended = broker.recheck_sessions(routes_, grace); });
  return ended;
}

}  // namespace sallyport::cli
