// The snapshot that an operator sees. It walks all sessions once: some 100 ns each, when somebody asks.
#include "broker/broker.h"
#include "broker/role_runtime.h"

#include <algorithm>

namespace sallyport::broker {

namespace {

void add(TargetTraffic& all, const Session::Traffic& one) {
  all.bytes_to_server += one.bytes_to_server;
  all.bytes_to_client += one.bytes_to_client;
  all.transactions += one.transactions;
}

void add(credentials::SlotCounters& all, const credentials::SlotCounters& one) {
  all.fetches += one.fetches;
  all.fetch_failures += one.fetch_failures;
  all.generations += one.generations;
  all.renewals += one.renewals;
  all.renewal_failures += one.renewal_failures;
  all.keep_alives += one.keep_alives;
  all.keep_alive_failures += one.keep_alive_failures;
  all.revocations += one.revocations;
  all.revocation_failures += one.revocation_failures;
  all.logins_refused += one.logins_refused;
  all.waits_timed_out += one.waits_timed_out;
  all.fetch_duration.merge(one.fetch_duration);
}

/// What grows only: of the role itself nothing.
void add_counters(RoleStatus& all, const RoleStatus& one) {
  all.pool.logins += one.pool.logins;
  all.pool.login_failures += one.pool.login_failures;
  all.pool.resets_failed += one.pool.resets_failed;
  all.pool.waits_timed_out += one.pool.waits_timed_out;
  all.pool.waits_refused += one.pool.waits_refused;
  all.pool.waits_failed += one.pool.waits_failed;
  all.pool.wait.merge(one.pool.wait);
  all.pool.transaction.merge(one.pool.transaction);
  for (std::size_t i = 0; i < login_results; ++i) all.logins.by_result.at(i) += one.logins.by_result.at(i);
  all.logins.duration.merge(one.logins.duration);
  add(all.credential, one.credential);
}

}  // namespace

// A counter that falls tells its readers of a restart. Bounded by the names that the configuration has had.
void Broker::keep_counters(const RoleRuntime& role) {
  add_counters(ended_roles_[role.name()], role.status());
}

void Broker::add_replaced(TargetStatus& target) const {
  for (auto& role : target.roles) {
    const auto name = target.name + "/" + role.role;
    if (const auto ended = ended_roles_.find(name); ended != ended_roles_.end())
      add_counters(role, ended->second);
    for (const auto& retired : retired_) {
      if (retired->name() == name) add_counters(role, retired->status());
    }
  }
  for (const auto& retired : retired_) {
    if (retired->target() == target.name) target.retired += retired->pool()->status().in_use;
  }
  target.in_use += target.retired;
}

// Bounded by the configuration's names: whoever gets here was let in to a target.
void Broker::count_traffic(const Session& session) {
  const auto traffic = session.traffic();
  if (!traffic) return;
  auto& all = traffic_[session.target()];
  ++all.sessions;
  add(all, *traffic);
  all.session_duration.add(services_.loop.now().mono - session.accepted_at());
}

TargetStatus Broker::status_of(const TargetRuntime& runtime) const {
  TargetStatus target;
  target.name = runtime.target.name;
  target.paused = paused_.contains(target.name);
  target.pool = runtime.target.pool;
  if (const auto traffic = traffic_.find(target.name); traffic != traffic_.end())
    target.traffic = traffic->second;
  for (const auto& [role_name, role] : runtime.roles) {
    target.roles.push_back(role->status());
    target.in_use += target.roles.back().pool.in_use;
    for (auto& host : role->hosts()) {
      const bool known =
          std::ranges::any_of(target.hosts, [&](const auto& one) { return one.host == host.host; });
      if (!known) target.hosts.push_back(std::move(host));
    }
  }
  return target;
}

Status Broker::status() const {
  Status status;
  status.at = services_.loop.now().wall;
  status.sessions = sessions_.size();
  status.sessions_max = clients_max();
  status.on_doorstep = doorstep_.size();
  status.counters = counters_;
  status.trail = services_.trail.status();
  std::map<std::string, TargetStatus> targets;
  for (const auto& [name, runtime] : targets_) targets.emplace(name, status_of(runtime));
  for (auto& [name, target] : targets) add_replaced(target);
  for (const auto& [name, logins] : client_logins_) {
    if (!routes_ || routes_->contains(name)) status.routes[name].login = logins;
  }
  for (const auto& [id, session] : sessions_) {
    ++status.routes[session->route().route.name].sessions;
    const auto target = targets.find(session->target());
    const auto traffic = session->traffic();
    if (target == targets.end() || !traffic) continue;
    ++target->second.sessions;
    // One that has been told may still be taking its time to read it.
    if (session->is_draining() && session->has_access()) ++target->second.ending;
    ++target->second.traffic.sessions;
    add(target->second.traffic, *traffic);
  }
  for (auto& [name, target] : targets) status.targets.push_back(std::move(target));
  return status;
}

}  // namespace sallyport::broker
