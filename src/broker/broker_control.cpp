// What an operator tells the broker to do with one target. docs/operations.md says what each command means.
#include "broker/broker.h"
#include "broker/role_runtime.h"

namespace sallyport::broker {

namespace {

Error no_such_target() {
  return {ErrorCode::not_found,          Hop::none, "target", "there is no target of the name that was given",
          "sallyport status lists them", {}};
}

}  // namespace

template <class Action>
Result<void> Broker::for_pools_of(const std::string& target, Action action) {
  const auto found = targets_.find(target);
  if (found == targets_.end()) return no_such_target();
  for (auto& [name, role] : found->second.roles) action(*role->pool());
  // Sessions that wait for one that was replaced meanwhile are not forgotten.
  for (const auto& role : retired_) {
    if (role->target() == target) action(*role->pool());
  }
  return {};
}

// Those of its target, and of others that have a server in common with it.
void Broker::for_each_pool_near(const Session& session, const std::function<void(Pool&)>& call) {
  const auto own = targets_.find(session.target());
  const auto is_near = [&](const RoleRuntime& role, const Pool& pool) {
    if (role.target() == session.target()) return true;
    if (own == targets_.end() || own->second.roles.empty()) return false;
    const auto& here = own->second.roles.begin()->second->pool()->settings().reach->endpoints;
    const auto& there = pool.settings().reach->endpoints;
    return std::ranges::any_of(here,
                               [&](const auto& one) { return std::ranges::find(there, one) != there.end(); });
  };
  const auto look_at = [&](RoleRuntime& role) {
    if (is_near(role, *role.pool())) call(*role.pool());
  };
  for (auto& [target, runtime] : targets_) {
    for (auto& [role_name, role] : runtime.roles) look_at(*role);
  }
  for (const auto& role : retired_) look_at(*role);
}

void Broker::on_database_needed(const Session& session, std::string_view name) {
  const std::string database{name};
  for_each_pool_near(session, [&](Pool& pool) { pool.give_up(database, session.identity()); });
}

void Broker::on_defaults_altered(const Session& session) {
  services_.logger.write(
      LogLevel::info,
      "a session has altered what sessions begin with: connections that stand ready are replaced",
      {{"role", session.target() + "/" + session.role()}, {"identity", session.identity()}});
  for_each_pool_near(session, [&](Pool& pool) { pool.refresh(session.identity()); });
}

void Broker::cancel(const CancelClaim& claim, std::function<void(bool found)> done) {
  const auto now = services_.loop.now().mono;
  const auto counted = claim.asker.counted ? claim.asker.uid : std::nullopt;
  auto* elsewhere = session_services_.elsewhere;
  auto* session = cancels_.find(claim.pid, claim.key, now, counted, elsewhere == nullptr);
  if (session != nullptr && session->lets_cancel(claim.asker))
    return session->cancel_query([done = std::move(done)] { done(true); });
  if (session != nullptr || elsewhere == nullptr || cancels_.has_guessed_enough(now, counted))
    return done(false);
  if (!elsewhere->ask(claim, done)) done(false);
}

void Broker::expect_no_more() {
  for (auto& [name, runtime] : targets_) {
    for (auto& [role_name, role] : runtime.roles) role->pool()->close_when_idle(false);
  }
}

void Broker::sweep_again() {
  for (auto& [name, runtime] : targets_) {
    for (auto& [role_name, role] : runtime.roles) role->sweep_again();
  }
}

void Broker::fetch_missing() {
  for (auto& [name, runtime] : targets_) {
    for (auto& [role_name, role] : runtime.roles) {
      if (role->slot().current() == nullptr) role->slot().prefetch();
    }
  }
}

std::vector<std::string> Broker::target_names() const {
  std::vector<std::string> names;
  for (const auto& [name, runtime] : targets_) names.push_back(name);
  return names;
}

Result<void> Broker::pause_target(const std::string& name) {
  auto done = for_pools_of(name, [](Pool& pool) { pool.hold_newcomers(true); });
  if (done) paused_.insert(name);
  return done;
}

Result<void> Broker::resume_target(const std::string& name) {
  paused_.erase(name);
  return for_pools_of(name, [](Pool& pool) { pool.hold_newcomers(false); });
}

Result<void> Broker::reconnect_target(const std::string& name) {
  auto done = for_pools_of(name, [](Pool& pool) { pool.reconnect(); });
  // Whoever has mended a password or its source need not wait for the back-off's end.
  if (done) {
    for (auto& [role_name, role] : targets_.at(name).roles) {
      if (role->slot().current() == nullptr) role->slot().try_again();
    }
  }
  return done;
}

// Those that wait for a connection go on waiting: a pause and a drain together let a database be exchanged.
Result<std::size_t> Broker::drain_target(const std::string& name) {
  if (!targets_.contains(name)) return no_such_target();
  std::size_t told = 0;
  for (auto& [id, session] : sessions_) {
    if (session->target() != name || !session->traffic()) continue;
    ++told;
    session->drain(Dismissal::target_drained);
  }
  return told;
}

}  // namespace sallyport::broker
