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

}  // namespace

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
  for (const auto& role : retired_) {
    if (const auto target = targets.find(role->target()); target != targets.end())
      target->second.in_use += role->pool()->status().in_use;
  }
  for (const auto& [name, logins] : client_logins_) {
    if (!routes_ || routes_->contains(name)) status.routes[name].login = logins;
  }
  for (const auto& [id, session] : sessions_) {
    ++status.routes[session->route().route.name].sessions;
    const auto target = targets.find(session->target());
    const auto traffic = session->traffic();
    if (target == targets.end() || !traffic) continue;
    ++target->second.sessions;
    const auto drained = drained_.find(session->target());
    // One that has been told may still be taking its time to read it.
    if (drained != drained_.end() && drained->second.contains(id) && session->has_access())
      ++target->second.ending;
    ++target->second.traffic.sessions;
    add(target->second.traffic, *traffic);
  }
  for (auto& [name, target] : targets) status.targets.push_back(std::move(target));
  return status;
}

}  // namespace sallyport::broker
