#include "cli/service.h"

#include "base/limits.h"
#include "cli/child.h"
#include "cli/expected_clients.h"

#include <unistd.h>

#include <future>

namespace sallyport::cli {

namespace {

constexpr auto shutdown_limit = std::chrono::seconds{10};
/// The predecessor waits longer (handover::serving_deadline).
constexpr auto first_credentials_limit = std::chrono::seconds{30};

}  // namespace

Result<void> Service::start() {
  block_child_signals();
  stop_signals_.emplace(std::initializer_list<int>{SIGINT, SIGTERM, SIGQUIT});
  other_signals_.emplace(std::initializer_list<int>{SIGHUP, SIGCONT});
  given_.inherited =
      net::InheritedSockets::take(environment_->plain("LISTEN_PID"), environment_->plain("LISTEN_FDS"));
  if (take_over_) {
    auto asked = TakeOver::ask(context_, *settings_.config);
    if (!asked) return asked.error();
    predecessor_ = std::move(*asked);
    if (!predecessor_)
      context_.logger.write(LogLevel::info, "no Sallyport runs that could be taken over from");
  }
  if (auto started = start_runtime(); !started) return started;
  if (auto serving = open_and_serve(); !serving) return serving;
  runtime_->say_listening();
  say_closed();
  if (const auto every = notify_.watchdog_every()) {
    runtime_->prove_life(*every, [this] { notify_.say("WATCHDOG=1"); });
  }
  prefetch();
  say_warnings();
  offer_handover();
  context_.logger.write(LogLevel::info, "serving",
                        {{"targets", static_cast<std::int64_t>(served_->config().targets.size())},
                         {"routes", static_cast<std::int64_t>(served_->config().routes.size())}});
  notify_.say("READY=1", state_text());
  return {};
}

Result<void> Service::start_runtime() {
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
  served_ = std::make_unique<ServedConfig>(*runtime_, &given_, confinement_->scout());
  return {};
}

// The configuration is checked whole before a predecessor is asked for anything.
Result<void> Service::open_and_serve() {
  if (!predecessor_) {
    if (auto opened = open_admin(*settings_.config); !opened) return opened;
    admin_.serve(desk());
  }
  auto prepared = served_->check(std::move(*settings_.config));
  if (!prepared) return prepared.error();
  if (predecessor_) {
    if (auto received = predecessor_->receive(given_.handed); !received) return received;
    if (auto opened = open_admin(prepared->config); !opened) return opened;
  }
  if (auto opened = served_->open_listeners(*prepared); !opened) return opened;
  served_->open_targets(*prepared);
  limit_clients(prepared->config);
  if (predecessor_) {
    if (auto fetched = fetch_what_predecessor_has(); !fetched) return fetched;
    if (auto waits = predecessor_->still_waits(); !waits) return waits;
  }
  served_->apply(std::move(*prepared));
  return predecessor_ ? become_successor() : Result<void>{};
}

Result<void> Service::open_admin(const config::Config& config) {
  if (auto opened = admin_.open(context_, config, given_); !opened) return opened;
  return handover_.listen(config.admin, given_);
}

// What the old one can serve, the new one has to: while a source is away, who has a credential goes on.
Result<void> Service::fetch_what_predecessor_has() {
  struct Fetch {
    std::string name;
    std::shared_ptr<std::promise<Result<void>>> done = std::make_shared<std::promise<Result<void>>>();
  };
  std::vector<Fetch> fetches;
  runtime_->on_relay([&](broker::Broker& broker) {
    for (const auto& target : broker.target_names()) {
      for (const auto& [role, opened] : broker.find_target(target)->roles) {
        Fetch fetch{target + "/" + role};
        if (!predecessor_->has_credential(fetch.name)) continue;
        broker.warm(target, role, [done = fetch.done](const Result<credentials::GenerationPtr>& generation) {
          done->set_value(generation ? Result<void>{} : Result<void>{generation.error()});
        });
        fetches.push_back(std::move(fetch));
      }
    }
  });
  const auto until = std::chrono::steady_clock::now() + first_credentials_limit;
  for (auto& fetch : fetches) {
    auto result = fetch.done->get_future();
    Result<void> fetched =
        Error{ErrorCode::timed_out, Hop::secret_source, fetch.name, "no answer in time", {}, {}};
    if (result.wait_until(until) == std::future_status::ready) fetched = result.get();
    if (fetched) continue;
    return Error{
        ErrorCode::retry_later,
        Hop::secret_source,
        fetch.name,
        "its credential cannot be fetched, and the Sallyport that runs has one: " + describe(fetched.error()),
        "Take over when its source answers.",
        {}};
  }
  return {};
}

Result<void> Service::become_successor() {
  const auto released = predecessor_->serving();
  if (!released) return released.error();
  for (const auto& where : given_.handed.keep()) {
    context_.logger.write(LogLevel::info, "a socket that the configuration names no more was closed",
                          {{"listener", where}});
  }
  predecessor_lives_ = true;
  runtime_->on_relay([&](broker::Broker& broker) {
    for (const auto& target : released->paused) (void)broker.pause_target(target);
    predecessor_link_ =
        std::make_unique<PredecessorLink>(predecessor_->take_channel(), runtime_->relay_loop(),
                                          [this, &broker] { on_predecessor_gone(broker); });
    if (predecessor_lives_) broker.look_elsewhere(predecessor_link_.get());
  });
  admin_.serve(desk());
  context_.logger.write(LogLevel::info, "took over from another Sallyport, whose sessions end by themselves",
                        {{"pid", predecessor_->pid()}, {"version", predecessor_->version()}});
  predecessor_.reset();
  return {};
}

void Service::on_predecessor_gone(broker::Broker& broker) {
  predecessor_lives_ = false;
  broker.look_elsewhere(nullptr);
  // Killed, it has left its leases behind; its journal's lock may go a moment after the channel. One that hangs at its
  // end is given the time that it has for it.
  for (const Duration later : {Duration{std::chrono::seconds{1}}, Duration{2 * shutdown_limit}})
    runtime_->relay_loop().after(later, [&broker] { broker.sweep_again(); });
}

void Service::stop() {
  if (runtime_ == nullptr) return;
  answer_reloads({false, "Sallyport is stopping", {}});
  handover_.close();
  admin_.stop();
  runtime_->on_relay([&](broker::Broker& broker) {
    broker.look_elsewhere(nullptr);
    predecessor_link_.reset();
    successor_link_.reset();
  });
  runtime_->shut_down(shutdown_limit);
  served_.reset();
  runtime_.reset();
}

// For `systemctl status`.
std::string Service::state_text() const {
  const auto& config = served_->config();
  return "serving " + std::to_string(config.targets.size()) + " targets by " +
         std::to_string(config.routes.size()) + " routes";
}

void Service::say_closed() {
  for (const auto& what : given_.inherited.close_unused()) {
    context_.logger.write(LogLevel::warning, "a descriptor that the configuration does not name was closed",
                          {{"inherited", what}});
  }
}

void Service::limit_clients(const config::Config& config) {
  const auto wanted = config.clients_max.value_or(broker::Broker::sessions_max);
  std::size_t allowed = 0;
  runtime_->on_relay([&](broker::Broker& broker) { allowed = broker.limit_clients(wanted); });
  if (!config.clients_max || allowed == wanted) return;
  context_.logger.write(LogLevel::warning,
                        "the descriptor limit allows fewer clients than limits.clients_max",
                        {{"clients", static_cast<std::int64_t>(allowed)},
                         {"fix", "raise it (LimitNOFILE in a systemd unit, ulimit -n in a shell)"}});
}

void Service::say_warnings() {
  for (const auto& warning : served_->config().warnings) context_.logger.write(LogLevel::warning, warning);
}

void Service::prefetch() {
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
  runtime_->on_relay([&](broker::Broker& broker) {
    for (const auto& [pool, clients] : expected_clients(served_->config(), context_.clock.now().wall))
      broker.warm_ahead(pool.first, pool.second, clients);
  });
}

admin::Control& Service::desk() {
  desk_ = std::make_unique<OperatorDesk>(*runtime_, [this](OperatorDesk::Done done) {
    {
      const std::lock_guard lock{reloads_mutex_};
      reloads_.push_back(std::move(done));
    }
    kill(getpid(), SIGHUP);
  });
  return *desk_;
}

}  // namespace sallyport::cli
