#include "admin/status_json.h"

#include <chrono>
#include <cmath>

namespace sallyport::admin {

namespace {

using Json = nlohmann::ordered_json;

/// Seconds, to the millisecond.
double seconds(Duration duration) {
  return std::round(std::chrono::duration<double>(duration).count() * 1e3) / 1e3;
}

/// What a person asks of a histogram; the buckets are for /metrics.
Json summary(const Histogram& values) {
  const auto count = values.count();
  const auto sum_us = static_cast<double>(values.sum_us());
  return {{"count", count}, {"mean_s", count == 0 ? 0.0 : sum_us / 1e6 / static_cast<double>(count)}};
}

Json generations(const broker::RoleStatus& role) {
  auto list = Json::array();
  for (const auto& one : role.generations) {
    Json item{{"number", one.number}, {"current", one.current}, {"age_s", seconds(one.age)}};
    if (one.refused) item["refused"] = true;
    if (!one.user.empty()) item["user"] = one.user;
    if (one.lease_left) item["lease_left_s"] = seconds(*one.lease_left);
    item["connections"] = one.holders;
    list.push_back(std::move(item));
  }
  return list;
}

Json credential(const broker::RoleStatus& role) {
  Json out{{"present", role.credential_present}, {"generations", generations(role)}};
  if (!role.credential_error.empty()) out["error"] = role.credential_error;
  if (role.next_fetch_in) out["next_fetch_in_s"] = seconds(*role.next_fetch_in);
  const auto& work = role.credential;
  out["fetches"] = work.fetches;
  out["fetch_failures"] = work.fetch_failures;
  out["fetch"] = summary(work.fetch_duration);
  out["renewals"] = work.renewals;
  out["renewal_failures"] = work.renewal_failures;
  out["revocations"] = work.revocations;
  out["refused_by_database"] = work.logins_refused;
  return out;
}

Json role_json(const broker::RoleStatus& role) {
  Json logins;
  for (std::size_t i = 0; i < broker::login_results; ++i) {
    logins[std::string{name_of(static_cast<broker::LoginResult>(i))}] = role.logins.by_result.at(i);
  }
  logins["duration"] = summary(role.logins.duration);
  const auto& pool = role.pool;
  return {{"role", role.role},
          {"pool",
           {{"in_use", pool.in_use},
            {"ready", pool.ready},
            {"resetting", pool.resetting},
            {"connecting", pool.connecting},
            {"moving", pool.moving},
            {"waiting", pool.waiting},
            {"min_ready", role.pool_min_ready},
            {"max", role.pool_max},
            {"resets_failed", pool.resets_failed},
            {"waits_in_vain",
             {{"timed_out", pool.waits_timed_out},
              {"queue_full", pool.waits_refused},
              {"login_failed", pool.waits_failed}}},
            {"wait", summary(pool.wait)},
            {"transaction", summary(pool.transaction)}}},
          {"logins", std::move(logins)},
          {"credential", credential(role)}};
}

const char* name_of(OnSessionState state) {
  switch (state) {
    case OnSessionState::pin: return "pin";
    case OnSessionState::refuse: return "refuse";
    case OnSessionState::ignore: return "ignore";
  }
  return "";
}

Json hosts(const broker::TargetStatus& target, WallTime now) {
  auto list = Json::array();
  for (const auto& one : target.hosts) {
    Json host{{"host", one.host}, {"state", broker::name_of(one.state)}};
    if (one.tried_last_for) {
      const auto until = now + std::chrono::duration_cast<WallTime::duration>(*one.tried_last_for);
      host["backed_off_s"] = seconds(*one.tried_last_for);
      host["backed_off_until"] = format_utc(until);
    }
    list.push_back(std::move(host));
  }
  return list;
}

Json pooling(const PoolSettings& pool) {
  const bool lends = pool.mode == PoolMode::transaction;
  Json out{{"mode", lends ? "transaction" : "session"}};
  if (lends) out["on_session_state"] = name_of(pool.on_session_state);
  out["share"] = pool.shared_by_role ? "role" : "identity";
  if (pool.shared_by_role) out["share_reason"] = pool.share_reason;
  return out;
}

Json target_json(const broker::TargetStatus& target, WallTime now) {
  auto roles = Json::array();
  for (const auto& role : target.roles) roles.push_back(role_json(role));
  const auto& traffic = target.traffic;
  return {{"target", target.name},
          {"paused", target.paused},
          {"pooling", pooling(target.pool)},
          {"hosts", hosts(target, now)},
          {"sessions", target.sessions},
          {"ending", target.ending},
          {"in_use", target.in_use},
          {"retired", target.retired},
          {"sessions_started", traffic.sessions},
          {"session_duration", summary(traffic.session_duration)},
          {"bytes_to_server", traffic.bytes_to_server},
          {"bytes_to_client", traffic.bytes_to_client},
          {"transactions", traffic.transactions},
          {"moved", traffic.moved},
          {"rotation_forced", traffic.rotation_forced},
          {"pins", traffic.pins},
          {"state_refused", traffic.state_refused},
          {"roles", std::move(roles)}};
}

Json process_json(const broker::ProcessStatus& process) {
  Json out{{"version", process.version},
           {"pid", process.pid},
           {"started", format_utc(process.started)},
           {"uptime_s", seconds(process.uptime)},
           {"listening", process.listening},
           {"draining", process.draining},
           {"missing", process.missing}};
  const auto& sandbox = process.sandbox;
  if (!sandbox.mode.empty()) {
    out["sandbox"] = {{"mode", sandbox.mode}, {"in_force", sandbox.in_force}, {"landlock", sandbox.landlock}};
  }
  return out;
}

Json sessions_json(const broker::Status& status) {
  const auto& counters = status.counters;
  return {{"open", status.sessions},
          {"max", status.sessions_max},
          {"before_login", status.on_doorstep},
          {"accepted", counters.accepted},
          {"turned_away", counters.turned_away},
          {"beyond_max", counters.beyond_max},
          {"moved", counters.moved},
          {"rotation_forced", counters.rotation_forced},
          {"pins", counters.pins},
          {"state_refused", counters.state_refused},
          {"refused", status.trail.refusals}};
}

}  // namespace

Json to_json(const broker::Status& status) {
  auto routes = Json::array();
  for (const auto& [name, route] : status.routes) {
    routes.push_back({{"route", name}, {"target", route.target}, {"connections", route.sessions}});
  }
  auto targets = Json::array();
  for (const auto& target : status.targets) targets.push_back(target_json(target, status.at));
  const auto& trail = status.trail;
  return {{"at", format_utc(status.at)},
          {"process", process_json(status.process)},
          {"sessions", sessions_json(status)},
          {"routes", std::move(routes)},
          {"targets", std::move(targets)},
          {"trail",
           {{"present", trail.present},
            {"healthy", trail.healthy},
            {"queued", trail.queued},
            {"queued_bytes", trail.queued_bytes},
            {"written", trail.written},
            {"lost_denials", trail.lost_denials},
            {"lost_others", trail.lost_others}}}};
}

}  // namespace sallyport::admin
