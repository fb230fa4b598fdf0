#include "broker/broker.h"

#include "base/limits.h"
#include "broker/role_runtime.h"

namespace sallyport::broker {

namespace {

constexpr auto retired_look_every = std::chrono::seconds{1};
constexpr auto retired_shutdown_limit = std::chrono::seconds{10};
/// Of a pool that is replaced: who was there last, and with which start-up parameters.
constexpr std::size_t keys_kept_max = 64;
/// A client that has asked nothing for so long, or twice as long, is at rest.
constexpr auto rest_look_every = std::chrono::seconds{1};

}  // namespace

Broker::Broker(BrokerServices services)
    : services_(services),
      buffer_(limits::relay_read_bytes + postgres::HeaderCarry::bytes_max),
      session_services_{services.loop,
                        services.randomness,
                        services.logger,
                        services.trail,
                        cancels_,
                        services.connector,
                        MutableBytes{buffer_},
                        scratch_,
                        0,
                        services.handshaker} {}

Broker::~Broker() {
  services_.loop.cancel(retired_timer_);
  services_.loop.cancel(turned_away_timer_);
  services_.loop.cancel(rest_timer_);
  sessions_.clear();
}

void Broker::open_target(TargetOpening opening) {
  // What sessions have prepared they find in the new pools, too (Session::follow_reload), and clients that are expected
  // their connections. All roles share the list, as what one of them alters is altered for the others.
  auto statements = std::make_shared<postgres::StatementRegistry>(statement_numbers_);
  std::map<std::string, std::vector<PoolKey>> seen;
  if (const auto old = targets_.find(opening.target.name); old != targets_.end()) {
    for (const auto& [role, runtime] : old->second.roles) {
      statements = runtime->pool()->statements();
      seen[role] = runtime->pool()->seen_keys(keys_kept_max);
    }
  }
  close_target(opening.target.name);
  TargetRuntime runtime;
  const auto hosts = std::make_shared<HostConnector>(opening.target.name, services_.connector, services_.loop,
                                                     services_.logger, services_.randomness);
  for (auto& role : opening.roles) {
    const auto name = role.role.name;
    auto& opened = runtime.roles[name] =
        std::make_shared<RoleRuntime>(*this, opening, role, hosts, statements);
    opened->pool()->hold_newcomers(paused_.contains(opening.target.name));
    std::erase_if(seen[name], [&](const PoolKey& key) {
      const auto& databases = opening.target.databases;
      return !databases.empty() && std::ranges::find(databases, key.database) == databases.end();
    });
    opened->remember(std::move(seen[name]));
  }
  const auto name = opening.target.name;
  runtime.target = std::move(opening.target);
  targets_.emplace(name, std::move(runtime));
}

void Broker::close_target(const std::string& name) {
  const auto found = targets_.find(name);
  if (found == targets_.end()) return;
  for (auto& [role_name, role] : found->second.roles) retire(role);
  targets_.erase(found);
}

// Sessions hold the pool; the role's credential has to live as long as they do.
void Broker::retire(std::shared_ptr<RoleRuntime> role) {
  role->pool()->close_when_idle();
  retired_.push_back(std::move(role));
  if (!retired_timer_) retired_timer_ = services_.loop.after(retired_look_every, [this] { end_retired(); });
}

void Broker::end_retired() {
  retired_timer_ = {};
  const auto all = retired_;  // one whose leases have ended already goes at once
  for (const auto& role : all) {
    const auto pool = role->pool()->status();
    // The role's own reference is the only one: each session has another.
    const bool unused =
        pool.in_use + pool.waiting + pool.connecting + pool.resetting == 0 && role->pool().use_count() == 1;
    if (!unused || !ending_.insert(role.get()).second) continue;
    role->slot().shutdown(retired_shutdown_limit, [this, role](credentials::ShutdownReport report) {
      for (const auto& left : report.unrevoked) {
        services_.logger.write(LogLevel::warning, "a lease was left behind",
                               {{"user", left.user}, {"why", left.reason}});
      }
      ending_.erase(role.get());
      keep_counters(*role);
      std::erase(retired_, role);
      services_.loop.post([role] {});  // destroyed not from inside the slot's own call
      if (on_retired_ended_) on_retired_ended_(std::move(report));
    });
  }
  if (!retired_.empty()) retired_timer_ = services_.loop.after(retired_look_every, [this] { end_retired(); });
}

void Broker::refresh_target(const std::string& name, std::shared_ptr<const Reach> reach) {
  const auto found = targets_.find(name);
  if (found == targets_.end()) return;
  for (auto& [role_name, role] : found->second.roles) role->pool()->set_reach(reach);
}

const Target* Broker::find_target(const std::string& name) const {
  const auto found = targets_.find(name);
  return found == targets_.end() ? nullptr : &found->second.target;
}

std::size_t Broker::recheck_sessions(const std::map<std::string, std::shared_ptr<const RouteRuntime>>& routes,
                                     Duration grace) {
  routes_ = routes;
  std::size_t ended = 0;
  for (auto& [key, session] : sessions_) {
    // Who has not said who it is will be asked by the new routes.
    if (!session->has_access()) continue;
    const auto route = routes.find(session->route().route.name);
    bool stays = false;
    if (route != routes.end()) {
      const auto access = decide(*route->second, session->peer(), session->claims(), session->began());
      stays = access.has_value() && access->decision.role == session->role() &&
              access->target == session->target();
    }
    if (stays) {
      session->follow_reload();
      continue;
    }
    ++ended;
    session->drain(Dismissal::policy_changed);
    session->stop_after(grace, Dismissal::policy_changed);
  }
  return ended;
}

std::shared_ptr<const RouteRuntime> Broker::current_route(const std::shared_ptr<const RouteRuntime>& was) {
  if (!routes_) return was;
  const auto found = routes_->find(was->route.name);
  return found == routes_->end() ? nullptr : found->second;
}

void Broker::limit_descriptors(std::size_t descriptors_max) {
  // Two a session, and a reserve that keeps logins, the trail and files going.
  constexpr std::size_t reserve = 128;
  const auto usable = descriptors_max > 2 * reserve ? descriptors_max - reserve : descriptors_max / 2;
  descriptors_allow_ = std::max<std::size_t>(usable / 2, 1);
}

std::size_t Broker::limit_clients(std::size_t clients_max_wanted) {
  clients_max_ = clients_max_wanted;
  return clients_max();
}

Result<Access> Broker::decide(const RouteRuntime& route, const ProvenPeer& peer,
                              const policy::ClientClaims& claims, WallTime began) {
  const auto found = targets_.find(route.route.target);
  if (found == targets_.end()) {
    return Error{ErrorCode::bad_config,      Hop::policy, route.route.name, "its target is gone",
                 "Reload the configuration", {}};
  }
  auto& runtime = found->second;
  auto decision = policy::decide(route.route, runtime.target, identity_of(peer), claims, began);
  if (!decision) return decision.error();
  const auto role = runtime.roles.find(decision->role);
  if (role == runtime.roles.end()) {
    return Error{
        ErrorCode::internal, Hop::policy, route.route.name, "policy chose a role that is not open", {}, {}};
  }
  return Access{role->second->pool(), std::move(*decision), runtime.target.name};
}

void Broker::on_session_moved(const Session& session) {
  ++counters_.moved;
  ++traffic_[session.target()].moved;
}

void Broker::on_session_forced(const Session& session, std::string_view reason) {
  ++counters_.rotation_forced[std::string{reason}];
  ++traffic_[session.target()].rotation_forced[std::string{reason}];
  services_.logger.write(LogLevel::info, "a session could not be moved and was ended", {{"why", reason}});
}

void Broker::on_session_state(const Session& session, postgres::StateReason reason, bool refused) {
  const std::string word{name_of(reason)};
  auto& traffic = traffic_[session.target()];
  ++(refused ? counters_.state_refused : counters_.pins)[word];
  ++(refused ? traffic.state_refused : traffic.pins)[word];
}

void Broker::on_session_awake(Session& session) {
  awake_.push_back(session.number());
  if (!rest_timer_) rest_timer_ = services_.loop.after(rest_look_every, [this] { rest_sessions(); });
}

void Broker::rest_sessions() {
  std::erase_if(awake_, [this](std::uint64_t number) {
    const auto found = sessions_.find(number);
    return found == sessions_.end() || found->second->rest();
  });
  rest_timer_ =
      awake_.empty() ? net::TimerId{} : services_.loop.after(rest_look_every, [this] { rest_sessions(); });
}

void Broker::on_generation_ending(const Pool& pool, std::uint64_t generation, CredentialEnd end) {
  // A session may end, but is not destroyed before the turn's end.
  for (auto& [key, session] : sessions_) session->on_generation_ending(pool, generation, end);
}

void Broker::warm(const std::string& target, const std::string& role,
                  std::function<void(Result<credentials::GenerationPtr>)> done) {
  auto& runtime = *targets_.at(target).roles.at(role);
  runtime.slot().get(services_.loop.now().mono + limits::upstream_login_deadline, std::move(done),
                     credentials::Slot::ErrorsTold::by_caller);
}

void Broker::warm(const std::string& target, const std::string& role, PoolKey key,
                  std::function<void(Result<credentials::GenerationPtr>)> done) {
  if (key.identity.empty()) {
    return done(Error{ErrorCode::internal,
                      Hop::pool,
                      target + "/" + role,
                      "a connection was to be logged in for nobody",
                      {},
                      {}});
  }
  auto pool = targets_.at(target).roles.at(role)->pool();
  warm(target, role, [pool, key, done](Result<credentials::GenerationPtr> generation) {
    if (!generation) return done(generation.error());
    if (const auto reach = pool->reach_for(**generation); !reach) return done(reach.error());
    auto wanted = key;
    if (wanted.database.empty()) wanted.database = (*generation)->endpoint.database;
    if (pool->settings().pool.min_ready == 0 || wanted.database.empty()) return done(std::move(generation));
    pool->warm(wanted, [done, generation = *generation](Result<void> login) {
      if (!login) return done(login.error());
      done(generation);
    });
  });
}

void Broker::check_now() {
  for (auto& [name, runtime] : targets_) {
    for (auto& [role_name, role] : runtime.roles) role->slot().check_now();
  }
}

void Broker::drain() {
  for (auto& [key, session] : sessions_) session->drain();
}

void Broker::stop_sessions() {
  record_turned_away();
  for (auto& [key, session] : sessions_) session->shut_down();
}

void Broker::shut_down(Duration limit, std::function<void(credentials::ShutdownReport)> done) {
  struct Gathering {
    std::size_t left = 0;
    credentials::ShutdownReport report;
  };
  std::vector<std::shared_ptr<RoleRuntime>> roles = retired_;
  for (auto& [name, runtime] : targets_) {
    for (auto& [role_name, role] : runtime.roles) roles.push_back(role);
  }
  auto gathering = std::make_shared<Gathering>();
  gathering->left = roles.size();
  if (roles.empty()) return done({});
  const auto on_ended = [gathering, done](credentials::ShutdownReport report) {
    gathering->report.revoked += report.revoked;
    for (auto& one : report.unrevoked) gathering->report.unrevoked.push_back(std::move(one));
    if (--gathering->left == 0) done(std::move(gathering->report));
  };
  services_.loop.cancel(retired_timer_);
  // A slot that is shutting down already is only told to hurry: its end comes to whom it was promised first.
  on_retired_ended_ = on_ended;
  for (auto& role : roles) {
    role->pool()->stop();
    role->slot().shutdown(limit, on_ended);
  }
}

std::vector<const Pool*> Broker::pools() const {
  std::vector<const Pool*> all;
  for (const auto& [name, runtime] : targets_) {
    for (const auto& [role_name, role] : runtime.roles) all.push_back(role->pool().get());
  }
  return all;
}

}  // namespace sallyport::broker
