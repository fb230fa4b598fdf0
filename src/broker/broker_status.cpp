// The snapshot that an operator sees. It walks all sessions once: some 100 ns each, when somebody asks.
#include "broker/broker.h"
#include "broker/role_runtime.h"

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

Status Broker::status() const {
  Status status;
  status.at = services_.loop.now().wall;
  status.sessions = sessions_.size();
  status.sessions_max = sessions_max_;
  status.on_doorstep = doorstep_.size();
  status.counters = counters_;
  status.trail = services_.trail.status();
  std::map<std::string, TargetStatus> targets;
  for (const auto& [name, runtime] : targets_) {
    auto& target = targets[name];
    target.name = name;
    target.paused = paused_.contains(name);
    const auto traffic = traffic_.find(name);
    if (traffic != traffic_.end()) target.traffic = traffic->second;
    for (const auto& [role_name, role] : runtime.roles) target.roles.push_back(role->status());
  }
  for (const auto& [id, session] : sessions_) {
    ++status.routes[session->route().route.name].sessions;
    const auto target = targets.find(session->target());
    const auto traffic = session->traffic();
    if (target == targets.end() || !traffic) continue;
    ++target->second.sessions;
    ++target->second.traffic.sessions;
    add(target->second.traffic, *traffic);
  }
  for (auto& [name, target] : targets) status.targets.push_back(std::move(target));
  return status;
}

}  // namespace sallyport::broker
