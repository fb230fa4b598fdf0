#include "cli/runtime.h"

#include "cli/child.h"
#include "cli/errand.h"
#include "net/peer.h"

#include <pthread.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>

namespace sallyport::cli {

namespace {

/// A local server answers a small query well within this.
constexpr auto spin_longest = std::chrono::microseconds{200};

// Signals are the main thread's.
std::thread start_loop(net::EpollLoop& loop, const char* name) {
  return std::thread{[&loop, name] {
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, nullptr);
    pthread_setname_np(pthread_self(), name);
    loop.run();
  }};
}

}  // namespace

std::string default_state_directory(const Environment& environment) {
  const auto state = environment.plain("XDG_STATE_HOME");
  if (!state.empty() && state.front() == '/') return state + "/sallyport";
  // Not /tmp: others could be there first.
  if (getuid() == 0 && environment.plain("HOME").empty()) return "/var/lib/sallyport";
  return environment.home() + "/.local/state/sallyport";
}

Runtime::Runtime(Context& context, RuntimeOptions options)
    : context_(context),
      options_(std::move(options)),
      registry_(secrets::register_all({context.allow_root_token})),
      journal_(std::make_unique<credentials::NullLeaseJournal>()),
      relay_loop_(context.clock),
      login_loop_(context.clock),
      memory_watch_(relay_loop_, context.logger),
      certificate_watch_(relay_loop_, file_lane_, context.logger) {
  process_.version = context.version;
  process_.started = context.clock.now().wall;
  process_.sandbox = options_.sandbox;
  process_.missing = options_.missing;
  const auto environment = options_.environment;
  driver_ = std::make_unique<net::Driver>(net::DriverServices{
      login_loop_, context_.clock, context_.randomness, dns_lane_, http_lane_, file_lane_, helper_lane_,
      std::make_shared<net::HttpClient>(http_settings_of(environment, context.version)), options_.helper,
      [environment](const std::string& name) { return environment->secret(name); }, options_.outside});
  timers_ = std::make_unique<LoopTimers>(relay_loop_, context_.clock);
  runner_ = std::make_unique<DriverRunner>(*driver_, relay_loop_);
  connector_ = std::make_unique<DriverConnector>(*driver_, relay_loop_);
}

Result<std::unique_ptr<Runtime>> Runtime::start(Context& context, RuntimeOptions options) {
  std::unique_ptr<Runtime> runtime{new Runtime{context, std::move(options)}};
  if (const auto opened = runtime->open_trail(); !opened) return opened.error();
  if (const auto opened = runtime->open_journal(); !opened) return opened.error();
  runtime->gate_ = std::make_unique<broker::TrailGate>(runtime->trail_.get(), runtime->options_.audit.mode,
                                                       runtime->relay_loop_, context.logger);
  runtime->trail_watch_ = std::make_unique<TrailWatch>(runtime->trail_.get(), *runtime->gate_,
                                                       runtime->relay_loop_, context.logger);
  runtime->broker_ = std::make_unique<broker::Broker>(
      broker::BrokerServices{runtime->relay_loop_, context.randomness, context.logger, *runtime->gate_,
                             *runtime->connector_, *runtime->timers_, *runtime->runner_, *runtime->journal_,
                             runtime->sweeper_.get(), &runtime->handshaker_});
  runtime->start_threads();
  runtime->on_relay([&](broker::Broker&) {
    runtime->record_run(trail::EventKind::broker_start);
    runtime->trail_watch_->start();
    runtime->memory_watch_.start();
    runtime->tell_repeated();
  });
  return runtime;
}

Result<void> Runtime::open_trail() {
  trail::Settings settings;
  settings.directory = options_.audit.directory;
  settings.fsync_each_commit = options_.audit.durability_power;
  if (options_.serves_own_account) trail_copy_ = SystemJournal::find();
  if (trail_copy_) settings.copy = [copy = trail_copy_](std::string_view entry) { copy->send(entry); };
  auto sink = trail::open_writer(settings);
  if (sink) {
    trail_ = std::move(*sink);
    return {};
  }
  if (options_.audit.mode == config::AuditMode::required) return sink.error();
  const auto text = describe(sink.error());
  context_.logger.write(LogLevel::warning, "there is no audit trail (audit.mode: best-effort)",
                        {{"error", text}});
  return {};
}

// Leases are written down before they are used, so that kill -9 leaves none behind (threat 10).
Result<void> Runtime::open_journal() {
  if (options_.state_directory.empty()) return {};
  std::uint64_t number = 0;
  context_.randomness.fill({reinterpret_cast<std::uint8_t*>(&number), sizeof number});
  const auto directory = options_.state_directory + "/leases";
  auto journal =
      credentials::FileLeaseJournal::open(directory, std::to_string(getpid()) + "-" + std::to_string(number));
  if (!journal) {
    auto error = journal.error();
    if (error.hint.empty()) {
      error.hint = "Leases are written down beside the file of `state`: let uid " +
                   std::to_string(geteuid()) +
                   " make this directory, or point `state` at a place of its own.";
    }
    return error;
  }
  journal_ = std::move(*journal);
  sweeper_ = std::make_unique<credentials::OrphanSweeper>(directory);
  return {};
}

Result<MockKey> Runtime::mock_key() const {
  return load_mock_key(options_.state_directory, context_.randomness);
}

void Runtime::start_threads() {
  // On a single core spinning would keep the very process from running that we wait for.
  if (std::thread::hardware_concurrency() > 1) relay_loop_.allow_spin(spin_longest);
  broker_->limit_descriptors(raise_descriptor_limit());
  relay_thread_ = start_loop(relay_loop_, "relay");
  login_thread_ = start_loop(login_loop_, "login");
}

void Runtime::record_run(trail::EventKind kind, const std::string& failure) {
  trail::Event event;
  event.kind = kind;
  event.at = context_.clock.now().wall;
  if (options_.serves_own_account) {
    event.verified["trail"] = trail_copy_ ? "same-uid, copied to the system's journal" : "same-uid";
  }
  if (!failure.empty()) {
    event.result = "failed";
    event.reason = failure;
  }
  gate_->note(std::move(event));
}

Runtime::~Runtime() {
  relay_loop_.stop();
  login_loop_.stop();
  if (relay_thread_.joinable()) relay_thread_.join();
  if (login_thread_.joinable()) login_thread_.join();
  acceptors_.clear();
  broker_.reset();
}

void Runtime::on_relay(const std::function<void(broker::Broker&)>& action) {
  ask_relay<bool>([&](broker::Broker& broker, const std::function<void(bool)>& done) {
    action(broker);
    done(true);
  });
}

struct Runtime::PreparedTarget {
  broker::TargetOpening opening;
  bool unchanged = false;  ///< open already: only its TLS files are read anew
};

Result<void> Runtime::open_target(const Target& target) {
  auto prepared = prepare_target(target);
  if (!prepared) return prepared.error();
  apply_target(**prepared);
  return {};
}

Result<std::shared_ptr<Runtime::PreparedTarget>> Runtime::prepare_target(const Target& target) {
  auto prepared = std::make_shared<PreparedTarget>();
  auto& opening = prepared->opening;
  opening.target = target;
  opening.logs_logins = !options_.serves_own_account;
  auto reach = std::make_shared<broker::Reach>(
      broker::Reach{target.endpoints, nullptr, target.session_attributes, target.load_balance});
  const bool local = !target.endpoints.empty() && std::ranges::all_of(target.endpoints, [](const auto& one) {
    return one.host.starts_with('/');
  });
  if (target.tls.mode != TlsMode::disable && !local) {
    auto context = net::TlsContext::for_upstream(target.tls, options_.outside);
    if (!context) return context.error();
    reach->tls = std::move(*context);
  }
  opening.reach = std::move(reach);
  on_relay([&](broker::Broker& broker) {
    const auto* open = broker.find_target(target.name);
    prepared->unchanged = open != nullptr && *open == target;
  });
  if (prepared->unchanged) return prepared;
  for (const auto& [name, role] : target.roles) {
    auto opened = open_role(target, role);
    if (!opened) return opened.error();
    opening.roles.push_back(std::move(*opened));
  }
  return prepared;
}

Result<broker::RoleOpening> Runtime::open_role(const Target& target, const Role& role) const {
  auto reference = secrets::parse_reference(role.auth);
  if (!reference) return reference.error();
  const auto* source = registry_.find(reference->scheme);
  if (source == nullptr) {
    return Error{ErrorCode::bad_config,
                 Hop::reference,
                 reference->scheme + ":",
                 "is not in this version",
                 "sallyport --help names the page that lists them",
                 {}};
  }
  secrets::Purpose purpose{"postgresql", {}, role.user};
  for (const auto& endpoint : target.endpoints) purpose.hosts.push_back({endpoint.host, endpoint.port});
  auto session = source->open(*reference, purpose);
  if (!session) return session.error();
  const bool watched = reference->scheme == "file" || reference->scheme == "systemd";
  return broker::RoleOpening{role, std::move(*session),
                             watched ? options_.file_poll : Duration{std::chrono::minutes{5}}};
}

void Runtime::apply_target(PreparedTarget& prepared) {
  on_relay([&](broker::Broker& broker) {
    watch_target(broker, prepared.opening.target, prepared.opening.reach);
    if (prepared.unchanged) {
      broker.refresh_target(prepared.opening.target.name, prepared.opening.reach);
    } else {
      broker.open_target(std::move(prepared.opening));
    }
  });
}

void Runtime::watch_target(broker::Broker& broker, const Target& target,
                           const std::shared_ptr<const broker::Reach>& reach) {
  if (reach->tls == nullptr) return certificate_watch_.forget("target", target.name);
  auto use = [&broker, name = target.name, reach](std::shared_ptr<const net::TlsContext> tls) {
    auto fresh = std::make_shared<broker::Reach>(*reach);
    fresh->tls = std::move(tls);
    broker.refresh_target(name, std::move(fresh));
  };
  certificate_watch_.watch("target", target.name, files_of(target.tls, options_.outside, std::move(use)));
}

void Runtime::close_target(const std::string& name) {
  on_relay([&](broker::Broker& broker) {
    certificate_watch_.forget("target", name);
    broker.close_target(name);
  });
}

void Runtime::record_policy_change(const std::string& what) {
  on_relay([&](broker::Broker&) {
    trail::Event event;
    event.kind = trail::EventKind::policy_changed;
    event.at = context_.clock.now().wall;
    event.reason = what;
    gate_->note(std::move(event));
  });
}

void Runtime::shut_down(Duration limit, const std::string& failure) {
  stop_listening();
  on_relay([](broker::Broker& broker) { broker.stop_sessions(); });
  const auto report = ask_relay<credentials::ShutdownReport>(
      [&](broker::Broker& broker, const std::function<void(credentials::ShutdownReport)>& done) {
        broker.shut_down(limit, done);
      });
  for (const auto& left : report.unrevoked) {
    const auto when = left.dies_at ? format_utc(*left.dies_at) : std::string{"unknown"};
    context_.logger.write(LogLevel::warning, "a lease was left behind",
                          {{"user", left.user}, {"dies_at", when}, {"why", left.reason}});
  }
  on_relay([&](broker::Broker&) {
    trail_watch_->look();
    memory_watch_.look();
    record_run(trail::EventKind::broker_stop, failure);
    gate_->flush();
  });
  if (trail_copy_ && trail_copy_->lost() != 0) {
    context_.logger.write(LogLevel::warning, "records of the audit trail did not reach the system's journal",
                          {{"count", static_cast<std::int64_t>(trail_copy_->lost())}});
  }
}

}  // namespace sallyport::cli
