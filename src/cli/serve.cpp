// `sallyport serve`: the broker as a service, by the configuration file.
//
// SIGHUP reloads whole or not at all, SIGTERM drains, a second SIGTERM stops.

#include "cli/admin_listeners.h"
#include "cli/child.h"
#include "cli/confinement.h"
#include "cli/exec_run.h"
#include "cli/notify.h"
#include "cli/operator_desk.h"
#include "cli/options.h"
#include "cli/reload.h"
#include "cli/runtime.h"

#include <CLI/CLI.hpp>

#include <signal.h>
#include <unistd.h>

#include <ctime>
#include <mutex>
#include <vector>

namespace sallyport::cli {

namespace {

constexpr const char* examples = R"(
Examples:
  sallyport serve -c /etc/sallyport/sallyport.yaml
  sallyport check-config /etc/sallyport/sallyport.yaml     # before a reload
  kill -HUP  PID    # reload: sessions that a valid file refuses end; an invalid one changes nothing
  kill -TERM PID    # drain: no new sessions, live ones may end by themselves (5 min); a second one stops at once

docs/serve.md has a systemd unit.
)";

constexpr auto shutdown_limit = std::chrono::seconds{10};
constexpr auto drain_limit = std::chrono::minutes{5};

class Service {
 public:
  Service(Context& context, std::shared_ptr<Environment> environment, Settings settings)
      : context_(context), environment_(std::move(environment)), settings_(std::move(settings)) {}

  Result<void> start() {
    block_child_signals();
    inherited_ =
        net::InheritedSockets::take(environment_->plain("LISTEN_PID"), environment_->plain("LISTEN_FDS"));
    auto confinement = Confinement::enter(context_, *settings_.config);
    if (!confinement) return confinement.error();
    confinement_.emplace(std::move(*confinement));
    RuntimeOptions options;
    options.audit = settings_.audit;
    options.state_directory = settings_.state_directory;
    options.helper = confinement_->helper();
    options.environment = environment_;
    options.outside = confinement_->outside();
    options.sandbox = confinement_->status();
    options.missing = confinement_->missing();
    auto runtime = Runtime::start(context_, std::move(options));
    if (!runtime) return runtime.error();
    runtime_ = std::move(*runtime);
    served_ = std::make_unique<ServedConfig>(*runtime_, &inherited_, confinement_->scout());
    if (auto opened = admin_.open(context_, *settings_.config, inherited_); !opened) return opened.error();
    admin_.serve(desk());
    auto prepared = served_->prepare(std::move(*settings_.config));
    if (!prepared) return prepared.error();
    served_->apply(std::move(*prepared));
    runtime_->say_listening();
    say_closed();
    if (const auto every = notify_.watchdog_every()) {
      runtime_->prove_life(*every, [this] { notify_.say("WATCHDOG=1"); });
    }
    prefetch();
    say_warnings();
    context_.logger.write(LogLevel::info, "serving",
                          {{"targets", static_cast<std::int64_t>(served_->config().targets.size())},
                           {"routes", static_cast<std::int64_t>(served_->config().routes.size())}});
    notify_.say("READY=1", state_text());
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
    answer_reloads({false, "Sallyport is stopping", {}});
    admin_.stop();
    runtime_->shut_down(shutdown_limit);
    served_.reset();
    runtime_.reset();
  }

 private:
  /// For `systemctl status`.
  [[nodiscard]] std::string state_text() const {
    const auto& config = served_->config();
    return "serving " + std::to_string(config.targets.size()) + " targets by " +
           std::to_string(config.routes.size()) + " routes";
  }

  void say_closed() {
    for (const auto& what : inherited_.close_unused()) {
      context_.logger.write(LogLevel::warning, "a descriptor that the configuration does not name was closed",
                            {{"inherited", what}});
    }
  }

  void say_warnings() {
    for (const auto& warning : served_->config().warnings) context_.logger.write(LogLevel::warning, warning);
  }

  void prefetch() {
    for (const auto& [name, target] : served_->config().targets) {
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

  admin::Control& desk() {
    desk_ = std::make_unique<OperatorDesk>(*runtime_, [this](OperatorDesk::Done done) {
      {
        const std::lock_guard lock{reloads_mutex_};
        reloads_.push_back(std::move(done));
      }
      kill(getpid(), SIGHUP);
    });
    return *desk_;
  }

  void answer_reloads(const admin::Outcome& outcome) {
    std::vector<OperatorDesk::Done> waiting;
    {
      const std::lock_guard lock{reloads_mutex_};
      waiting.swap(reloads_);
    }
    for (const auto& done : waiting) done(outcome);
  }

  // Who asks while one is under way is answered by the next, which its signal brings.
  void reload() {
    std::vector<OperatorDesk::Done> waiting;
    {
      const std::lock_guard lock{reloads_mutex_};
      waiting.swap(reloads_);
    }
    notify_.say("RELOADING=1", "reading the configuration");
    const auto outcome = reload_now();
    notify_.say("READY=1", state_text());
    for (const auto& done : waiting) done(outcome);
  }

  // Checked whole before anything is touched: an invalid file changes nothing.
  admin::Outcome reload_now() {
    if (auto held = confinement_->holds(context_, served_->config()); !held)
      return say_not_reloaded({held.error()});
    auto loaded = config::load(served_->config().file, context_.clock.now().wall, confinement_->outside());
    if (!loaded) return say_not_reloaded(loaded.error());
    auto prepared = served_->prepare(std::move(*loaded));
    if (!prepared) return say_not_reloaded({prepared.error()});
    if (auto read = admin_.reload_token(served_->config().admin); !read)
      return say_not_reloaded({read.error()});
    const auto applied = served_->apply(std::move(*prepared));
    say_reloaded(applied);
    prefetch();
    std::string text = "the configuration was reloaded; changed: " + applied.changed;
    if (applied.sessions_ended != 0) text += "; sessions that end: " + std::to_string(applied.sessions_ended);
    return {true, std::move(text), {}};
  }

  admin::Outcome say_not_reloaded(const std::vector<Error>& errors) {
    for (const auto& error : errors) {
      const auto text = describe(error);
      context_.logger.write(LogLevel::error, "the configuration was not reloaded", {{"why", text}});
    }
    auto first = errors.front();
    const auto hint = std::exchange(first.hint, {});
    return {false, "the configuration was not reloaded: " + describe(first), hint};
  }

  void say_reloaded(const AppliedConfig& applied) {
    say_warnings();
    if (!applied.needs_restart.empty()) {
      context_.logger.write(LogLevel::warning, "what changed is read at start only: it needs a restart",
                            {{"keys", applied.needs_restart}});
    }
    if (applied.sessions_ended != 0) {
      context_.logger.write(LogLevel::warning,
                            "the new policy refuses live sessions: they end at their next boundary",
                            {{"sessions", static_cast<std::int64_t>(applied.sessions_ended)}});
    }
    context_.logger.write(LogLevel::info, "the configuration was reloaded", {{"changed", applied.changed}});
  }

  void drain(const sigset_t& set) {
    notify_.say("STOPPING=1", "draining: no new sessions");
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
      if (number == SIGHUP) answer_reloads({false, "Sallyport is draining and reloads no more", {}});
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
  Notify notify_{environment_->plain("NOTIFY_SOCKET"), environment_->plain("WATCHDOG_USEC"),
                 environment_->plain("WATCHDOG_PID")};
  net::InheritedSockets inherited_;
  std::optional<Confinement> confinement_;
  std::unique_ptr<Runtime> runtime_;
  std::unique_ptr<ServedConfig> served_;
  std::mutex reloads_mutex_;
  std::vector<OperatorDesk::Done> reloads_;  ///< who waits for the next one
  std::unique_ptr<OperatorDesk> desk_;
  AdminListeners admin_;  ///< last: its thread uses the others
};

}  // namespace

int run_serve(Context& context, const std::vector<std::string>& arguments) {
  CLI::App app{"Runs the broker as a service.", "sallyport serve"};
  app.footer(examples);
  add_source_options(app, context);
  add_global_options(app, context);
  if (const auto code = parse_arguments(app, arguments, exit_error)) return *code;
  if (const auto allowed = refuse_output_file(context); !allowed) {
    print_error(allowed.error());
    return exit_error;
  }
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
