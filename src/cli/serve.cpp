// `sallyport serve`: the broker as a service, by the configuration file.
//
// SIGHUP reloads whole or not at all, SIGTERM drains, a second SIGTERM stops.

#include "cli/child.h"
#include "cli/config_change.h"
#include "cli/exec_run.h"
#include "cli/notify.h"
#include "cli/options.h"
#include "cli/runtime.h"
#include "net/socket_directory.h"

#include <CLI/CLI.hpp>

#include <signal.h>

#include <algorithm>
#include <ctime>
#include <optional>
#include <vector>

namespace sallyport::cli {

namespace {

constexpr const char* examples = R"(
Examples:
  sallyport serve -c /etc/sallyport/sallyport.yaml
  sallyport check-config /etc/sallyport/sallyport.yaml     # before a reload
  kill -HUP  PID    # reload: a valid file applies to new sessions, an invalid one changes nothing
  kill -TERM PID    # drain: no new sessions, live ones may end by themselves (5 min); a second one stops at once

docs/serve.md has a systemd unit.
)";

constexpr auto shutdown_limit = std::chrono::seconds{10};
constexpr auto reload_grace = std::chrono::seconds{30};
constexpr auto drain_limit = std::chrono::minutes{5};

class Service {
 public:
  Service(Context& context, std::shared_ptr<Environment> environment, Settings settings)
      : context_(context), environment_(std::move(environment)), settings_(std::move(settings)) {}

  Result<void> start() {
    block_child_signals();
    auto helper = net::Helper::fork_now();
    if (!helper) return helper.error();
    RuntimeOptions options;
    options.audit = settings_.audit;
    options.state_directory = settings_.state_directory;
    options.helper = std::move(*helper);
    options.environment = environment_;
    auto runtime = Runtime::start(context_, std::move(options));
    if (!runtime) return runtime.error();
    runtime_ = std::move(*runtime);
    for (const auto& [name, target] : settings_.config->targets) {
      if (auto opened = runtime_->open_target(target); !opened) return opened.error();
    }
    for (const auto& route : settings_.config->routes) {
      if (auto opened = open_route(route); !opened) return opened.error();
    }
    prefetch();
    for (const auto& warning : settings_.config->warnings) context_.logger.write(LogLevel::warning, warning);
    context_.logger.write(LogLevel::info, "serving",
                          {{"targets", static_cast<std::int64_t>(settings_.config->targets.size())},
                           {"routes", static_cast<std::int64_t>(settings_.config->routes.size())}});
    notify_.say("READY=1");
    return {};
  }

  void run() {
    sigset_t set;
    sigemptyset(&set);
    for (const int number : {SIGHUP, SIGINT, SIGTERM, SIGQUIT, SIGCONT}) sigaddset(&set, number);
    while (true) {
      switch (sigwaitinfo(&set, nullptr)) {
        case SIGHUP: reload(); break;
        case SIGCONT: runtime_->on_relay([](broker::Broker& broker) { broker.check_now(); }); break;
        case SIGINT:
        case SIGTERM:
        case SIGQUIT: drain(set); return;
        default: break;
      }
    }
  }

  void stop() {
    if (runtime_ == nullptr) return;
    runtime_->shut_down(shutdown_limit);
    runtime_.reset();
  }

 private:
  /// A route that a configuration names, with its listener when that is not open yet.
  struct PreparedRoute {
    std::shared_ptr<const broker::RouteRuntime> runtime;
    std::optional<net::Listener> listener;  ///< none: the open one goes on
  };

  Result<PreparedRoute> prepare_route(const Route& route) {
    auto runtime = std::make_shared<broker::RouteRuntime>();
    runtime->route = route;
    runtime->prover = prover_;
    PreparedRoute prepared{std::move(runtime), {}};
    if (routes_.contains(route.name)) return prepared;
    const auto* local = std::get_if<UnixListen>(&route.listen);
    if (local == nullptr) {
      return Error{ErrorCode::bad_config, Hop::config, route.name, "TCP routes are not in this version",
                   "Listen on unix:DIR",  {}};
    }
    const auto directory = net::SocketDirectory::open_shared(local->directory);
    if (!directory) return directory.error();
    auto listener = directory->listen_unix(local->port);
    if (!listener) return listener.error();
    prepared.listener.emplace(std::move(*listener));
    return prepared;
  }

  void apply_route(PreparedRoute prepared) {
    const auto& name = prepared.runtime->route.name;
    routes_[name] = prepared.runtime;
    if (prepared.listener) {
      runtime_->listen(std::move(*prepared.listener), std::move(prepared.runtime));
    } else {
      runtime_->replace_route(std::move(prepared.runtime));
    }
  }

  Result<void> open_route(const Route& route) {
    auto prepared = prepare_route(route);
    if (!prepared) return prepared.error();
    apply_route(std::move(*prepared));
    return {};
  }

  void prefetch() {
    for (const auto& [name, target] : settings_.config->targets) {
      for (const auto& [role_name, role] : target.roles) {
        runtime_->on_relay([&, target_name = name, role = role_name](broker::Broker& broker) {
          broker.warm(target_name, role,
                      [this, target_name, role](Result<credentials::GenerationPtr> generation) {
                        if (generation) return;
                        const auto text = describe(generation.error());
                        context_.logger.write(LogLevel::warning, "a credential cannot be fetched yet",
                                              {{"target", target_name}, {"role", role}, {"why", text}});
                      });
        });
      }
    }
  }

  // Checked whole before anything is touched: an invalid file changes nothing.
  void reload() {
    notify_.say("RELOADING=1");
    auto loaded = config::load(settings_.config->file, context_.clock.now().wall);
    if (!loaded) {
      for (const auto& error : loaded.error()) {
        const auto text = describe(error);
        context_.logger.write(LogLevel::error, "the configuration was not reloaded", {{"why", text}});
      }
      notify_.say("READY=1");
      return;
    }
    if (const auto applied = apply(std::move(*loaded)); !applied) {
      const auto text = describe(applied.error());
      context_.logger.write(LogLevel::error, "the configuration was not reloaded", {{"why", text}});
    }
    notify_.say("READY=1");
  }

  // Everything that can fail comes first; then nothing does.
  Result<void> apply(config::Config fresh) {
    std::vector<std::shared_ptr<Runtime::PreparedTarget>> targets;
    for (const auto& [name, target] : fresh.targets) {
      auto prepared = runtime_->prepare_target(target);
      if (!prepared) return prepared.error();
      targets.push_back(std::move(*prepared));
    }
    std::vector<PreparedRoute> routes;
    for (const auto& route : fresh.routes) {
      auto prepared = prepare_route(route);
      if (!prepared) return prepared.error();
      routes.push_back(std::move(*prepared));
    }
    const auto changes = what_changes(*settings_.config, fresh);
    for (auto& target : targets) runtime_->apply_target(*target);
    for (auto& route : routes) apply_route(std::move(route));
    close_what_is_gone(fresh);
    end_refused();
    runtime_->record_policy_change(changes);
    for (const auto& warning : fresh.warnings) context_.logger.write(LogLevel::warning, warning);
    settings_.config = std::move(fresh);
    prefetch();
    context_.logger.write(LogLevel::info, "the configuration was reloaded", {{"changed", changes}});
    return {};
  }

  void close_what_is_gone(const config::Config& fresh) {
    for (const auto& route : settings_.config->routes) {
      const bool stays = std::any_of(fresh.routes.begin(), fresh.routes.end(),
                                     [&](const Route& one) { return one.name == route.name; });
      if (stays) continue;
      runtime_->stop_listening(route.name);
      routes_.erase(route.name);
    }
    for (const auto& [name, target] : settings_.config->targets) {
      if (fresh.targets.contains(name)) continue;
      runtime_->on_relay([&, gone = name](broker::Broker& broker) { broker.close_target(gone); });
    }
  }

  // Whom the new policy would refuse does not stay by having come earlier (threats.md 14).
  void end_refused() {
    std::size_t ended = 0;
    runtime_->on_relay([&](broker::Broker& broker) {
      ended = broker.recheck_sessions({routes_.begin(), routes_.end()}, reload_grace);
    });
    if (ended == 0) return;
    context_.logger.write(LogLevel::warning,
                          "the new policy refuses live sessions: they end at their next boundary",
                          {{"sessions", static_cast<std::int64_t>(ended)}});
  }

  void drain(const sigset_t& set) {
    notify_.say("STOPPING=1");
    runtime_->stop_listening();
    context_.logger.write(LogLevel::info, "draining: no new sessions; waiting for the live ones to end");
    const auto give_up = context_.clock.now().mono + drain_limit;
    while (context_.clock.now().mono < give_up) {
      std::size_t left = 0;
      runtime_->on_relay([&](broker::Broker& broker) { left = broker.sessions(); });
      if (left == 0) return;
      const timespec pause{0, 100'000'000};
      const auto number = sigtimedwait(&set, nullptr, &pause);
      if (number == SIGTERM || number == SIGINT || number == SIGQUIT) return;
    }
    end_at_boundaries();
  }

  // Whoever stayed is told at a transaction boundary; who has none soon is stopped.
  void end_at_boundaries() {
    runtime_->on_relay([](broker::Broker& broker) { broker.drain(); });
    const timespec grace{2, 0};
    nanosleep(&grace, nullptr);
  }

  Context& context_;
  std::shared_ptr<Environment> environment_;
  Settings settings_;
  Notify notify_{environment_->plain("NOTIFY_SOCKET")};
  std::shared_ptr<UnixPeerProver> prover_ = std::make_shared<UnixPeerProver>();
  std::map<std::string, std::shared_ptr<const broker::RouteRuntime>> routes_;
  std::unique_ptr<Runtime> runtime_;
};

}  // namespace

int run_serve(Context& context, const std::vector<std::string>& arguments) {
  CLI::App app{"Runs the broker as a service.", "sallyport serve"};
  app.footer(examples);
  add_global_options(app, context);
  if (const auto code = parse_arguments(app, arguments, exit_error)) return *code;
  auto settings = load_settings(context, *context.environment);
  if (!settings) {
    print_error(settings.error());
    return exit_error;
  }
  if (!settings->config) {
    print_error({ErrorCode::bad_config,
                 Hop::config,
                 "serve",
                 "there is no configuration file",
                 "Name it with -c sallyport.yaml; docs/configuration.md has an example",
                 {}});
    return exit_error;
  }
  Service service{context, context.environment, std::move(*settings)};
  const auto started = service.start();
  if (started) service.run();
  service.stop();
  if (started) return exit_ok;
  print_error(started.error());
  return exit_error;
}

}  // namespace sallyport::cli
