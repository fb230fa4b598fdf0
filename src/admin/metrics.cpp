#include "admin/metrics.h"

#include "admin/metrics_process.h"

#include <algorithm>
#include <chrono>

namespace sallyport::admin {

namespace {

using broker::RoleStatus;
using broker::Status;
using broker::TargetStatus;
using broker::TargetTraffic;

class Encoder {
 public:
  Encoder(const Status& status, MetricsFormat format) : status_(status), out_(format) {}

  std::string encode() {
    write_process(status_, out_);
    sessions();
    targets();
    pools();
    logins();
    credential_states();
    trail();
    return out_.finish();
  }

 private:
  template <class Value>
  void per_target(Value value) {
    for (const auto& target : status_.targets) value(target, Labels{{"target", target.name}});
  }
  template <class Value>
  void per_role(Value value) {
    for (const auto& target : status_.targets) {
      for (const auto& role : target.roles) value(role, Labels{{"target", target.name}, {"role", role.role}});
    }
  }
  static Labels with(Labels labels, std::string_view name, std::string_view value) {
    labels.emplace_back(name, value);
    return labels;
  }

  void sessions() {
    out_.gauge("sallyport_connections", "Client connections that are open, let in or not, by route.");
    for (const auto& [name, route] : status_.routes) {
      out_.sample({{"route", name}, {"target", route.target}}, number(route.sessions));
    }
    out_.gauge("sallyport_connections_max", "Client connections that may be open.");
    out_.sample({}, number(status_.sessions_max));
    out_.gauge("sallyport_connections_before_login", "Client connections that have not been let in yet.");
    out_.sample({}, number(status_.on_doorstep));
    out_.counter("sallyport_connections_accepted", "Client connections that came in.");
    out_.sample({}, status_.counters.accepted);
    out_.counter("sallyport_connections_turned_away",
                 "Client connections closed without a word: too many of their origin had come to nothing.");
    out_.sample({}, status_.counters.turned_away);
    out_.counter("sallyport_connections_beyond_max",
                 "Client connections refused because there were as many as may be.");
    out_.sample({}, status_.counters.beyond_max);
    out_.histogram("sallyport_client_login_seconds",
                   "Clients that were let in, from accept until policy had decided: TLS, SCRAM.");
    for (const auto& [name, route] : status_.routes) {
      out_.sample({{"route", name}, {"target", route.target}}, route.login, 8, 24);
    }
    refusals();
  }

  void refusals() {
    out_.counter("sallyport_refusals", "Client connections refused, by place and reason.");
    for (const auto& [route, refusals] : status_.trail.refusals_of_route) {
      for (const auto& [cause, count] : refusals) {
        auto at = cause.substr(0, cause.rfind(' '));
        const auto reason = std::string_view{cause}.substr(std::min(at.size() + 1, cause.size()));
        std::replace(at.begin(), at.end(), ' ', '_');
        out_.sample({{"route", route}, {"at", at}, {"reason", reason}}, count);
      }
    }
  }

  void targets() {
    out_.gauge("sallyport_sessions", "Sessions that were let in and live, by target.");
    per_target(
        [&](const auto& target, const Labels& labels) { out_.sample(labels, number(target.sessions)); });
    out_.gauge("sallyport_target_paused", "1: an operator has paused the target.");
    per_target([&](const TargetStatus& target, const Labels& labels) {
      out_.sample(labels, number(target.paused ? 1 : 0));
    });
    out_.counter("sallyport_sessions_started", "Sessions that were let in.");
    per_target([&](const TargetStatus& target, const Labels& labels) {
      out_.sample(labels, target.traffic.sessions);
    });
    out_.counter("sallyport_relayed_bytes", "Bytes relayed, by direction.", "bytes");
    per_target([&](const TargetStatus& target, const Labels& labels) {
      out_.sample(with(labels, "direction", "to_server"), target.traffic.bytes_to_server);
      out_.sample(with(labels, "direction", "to_client"), target.traffic.bytes_to_client);
    });
    out_.counter("sallyport_transactions", "Transactions relayed.");
    per_target(
        [&](const auto& target, const Labels& labels) { out_.sample(labels, target.traffic.transactions); });
    out_.histogram("sallyport_session_duration_seconds", "From accept to end, of sessions that were let in.");
    per_target([&](const TargetStatus& target, const Labels& labels) {
      out_.sample(labels, target.traffic.session_duration, 10, 36);
    });
    session_state();
  }

  void session_state() {
    out_.counter("sallyport_session_moves", "Sessions moved to another credential without noticing.");
    per_target(
        [&](const TargetStatus& target, const Labels& labels) { out_.sample(labels, target.traffic.moved); });
    out_.counter("sallyport_rotation_forced",
                 "Sessions ended because their credential did and they could not be moved, by reason.");
    by_word(&TargetTraffic::rotation_forced);
    out_.counter("sallyport_pins", "Sessions that keep their server connection, by reason.");
    by_word(&TargetTraffic::pins);
    out_.counter("sallyport_state_refused", "Statements refused because they leave state behind, by reason.");
    by_word(&TargetTraffic::state_refused);
  }

  /// Bounded, whatever the word was made of.
  void by_word(broker::CountsByWord TargetTraffic::*counts) {
    per_target([&](const TargetStatus& target, const Labels& labels) {
      for (const auto& [word, count] : target.traffic.*counts)
        out_.sample(with(labels, "reason", word), count);
    });
  }

  void pools() {
    out_.gauge("sallyport_pool_connections", "Server connections, by state.");
    per_role([&](const RoleStatus& role, const Labels& labels) {
      out_.sample(with(labels, "state", "in_use"), number(role.pool.in_use));
      out_.sample(with(labels, "state", "ready"), number(role.pool.ready));
      out_.sample(with(labels, "state", "resetting"), number(role.pool.resetting));
      out_.sample(with(labels, "state", "connecting"), number(role.pool.connecting));
    });
    out_.gauge("sallyport_pool_connections_max", "Server connections that the pool may have.");
    per_role(
        [&](const RoleStatus& role, const Labels& labels) { out_.sample(labels, number(role.pool_max)); });
    out_.gauge("sallyport_pool_connections_retired",
               "Server connections of sessions from before a reload, beside those of the new pools.");
    per_target([&](const TargetStatus& target, const Labels& labels) {
      out_.sample(labels, number(target.retired));
    });
    out_.gauge("sallyport_pool_moving", "Connections held by sessions that still have their old one.");
    per_role(
        [&](const RoleStatus& role, const Labels& labels) { out_.sample(labels, number(role.pool.moving)); });
    out_.gauge("sallyport_pool_waiting", "Sessions that wait for a server connection.");
    per_role([&](const RoleStatus& role, const Labels& labels) {
      out_.sample(labels, number(role.pool.waiting));
    });
    out_.counter("sallyport_pool_resets_failed", "Server connections closed because their reset failed.");
    per_role(
        [&](const RoleStatus& role, const Labels& labels) { out_.sample(labels, role.pool.resets_failed); });
    out_.counter("sallyport_pool_waits_in_vain", "Sessions that got no server connection, by reason.");
    per_role([&](const RoleStatus& role, const Labels& labels) {
      out_.sample(with(labels, "reason", "timed_out"), role.pool.waits_timed_out);
      out_.sample(with(labels, "reason", "queue_full"), role.pool.waits_refused);
      out_.sample(with(labels, "reason", "login_failed"), role.pool.waits_failed);
    });
    out_.histogram("sallyport_pool_wait_seconds",
                   "How long sessions waited for the server connection they got.");
    durations([](const RoleStatus& role) { return role.pool.wait; }, 8, 26);
    out_.histogram("sallyport_transaction_seconds",
                   "From the first request sent to the server until it was idle again.");
    durations([](const RoleStatus& role) { return role.pool.transaction; }, 6, 30);
  }

  void logins() {
    out_.counter("sallyport_logins", "Logins to database servers, by result.");
    per_role([&](const RoleStatus& role, const Labels& labels) {
      for (std::size_t i = 0; i < broker::login_results; ++i) {
        out_.sample(with(labels, "result", name_of(static_cast<broker::LoginResult>(i))),
                    role.logins.by_result.at(i));
      }
    });
    out_.histogram("sallyport_login_duration_seconds",
                   "Logins to database servers that succeeded, all of them: DNS, TLS, SCRAM.");
    durations([](const RoleStatus& role) { return role.logins.duration; }, 8, 24);
  }

  template <class Value>
  void per_current(Value value) {
    per_role([&](const RoleStatus& role, const Labels& labels) {
      for (const auto& generation : role.generations) {
        if (generation.current) value(generation, labels);
      }
    });
  }

  void credential_states() {
    out_.gauge("sallyport_credential_present", "1: there is a credential that may be used.");
    per_role([&](const RoleStatus& role, const Labels& labels) {
      out_.sample(labels, number(role.credential_present ? 1 : 0));
    });
    out_.gauge("sallyport_credential_generation", "Which credential of the role new sessions get.");
    per_current([&](const auto& one, const Labels& labels) { out_.sample(labels, one.number); });
    out_.gauge("sallyport_credential_age_seconds", "How long ago the current credential was fetched.",
               "seconds");
    per_current([&](const auto& one, const Labels& labels) { out_.sample(labels, seconds(one.age)); });
    out_.gauge("sallyport_lease_left_seconds", "Until the current credential ends, as it stands now.",
               "seconds");
    per_current([&](const auto& one, const Labels& labels) {
      if (one.lease_left) out_.sample(labels, seconds(*one.lease_left));
    });
    out_.gauge("sallyport_credential_generations",
               "Credentials that are alive: the current one and replaced ones.");
    per_role([&](const RoleStatus& role, const Labels& labels) {
      out_.sample(labels, number(role.generations.size()));
    });
    credential_work();
  }

  void credential_work() {
    work("sallyport_credential_fetches", "Fetches from the secret's source.",
         &credentials::SlotCounters::fetches);
    work("sallyport_credential_fetch_failures", "Of those, the ones that failed.",
         &credentials::SlotCounters::fetch_failures);
    work("sallyport_lease_renewals", "Renewals of leases.", &credentials::SlotCounters::renewals);
    work("sallyport_lease_renewal_failures", "Of those, the ones that failed.",
         &credentials::SlotCounters::renewal_failures);
    work("sallyport_lease_revocations", "Leases ended by us.", &credentials::SlotCounters::revocations);
    work("sallyport_lease_revocation_failures", "Times that a lease could not be ended by us.",
         &credentials::SlotCounters::revocation_failures);
    work("sallyport_credentials_refused", "Times that a database refused the current credential.",
         &credentials::SlotCounters::logins_refused);
    out_.histogram("sallyport_credential_fetch_seconds", "Fetches from the secret's source that succeeded.");
    durations([](const RoleStatus& role) { return role.credential.fetch_duration; }, 8, 26);
  }

  template <class Of>
  void durations(Of of, std::size_t first, std::size_t last) {
    per_role(
        [&](const RoleStatus& role, const Labels& labels) { out_.sample(labels, of(role), first, last); });
  }

  void work(std::string_view name, std::string_view help, std::uint64_t credentials::SlotCounters::*counter) {
    out_.counter(name, help);
    per_role(
        [&](const RoleStatus& role, const Labels& labels) { out_.sample(labels, role.credential.*counter); });
  }

  void trail() {
    const auto& trail = status_.trail;
    out_.gauge("sallyport_trail_healthy", "1: the last write to the audit trail succeeded.");
    out_.sample({}, number(trail.present && trail.healthy ? 1 : 0));
    out_.gauge("sallyport_trail_queue_records", "Audit records that wait to be written.");
    out_.sample({}, number(trail.queued));
    out_.gauge("sallyport_trail_queue_bytes", "What those take in memory.", "bytes");
    out_.sample({}, number(trail.queued_bytes));
    out_.counter("sallyport_trail_records", "Audit records written.");
    out_.sample({}, trail.written);
    out_.counter("sallyport_trail_lost_records",
                 "Audit records lost because the trail could not be written.");
    out_.sample({{"kind", "denial"}}, trail.lost_denials);
    out_.sample({{"kind", "other"}}, trail.lost_others);
  }

  const Status& status_;
  MetricsWriter out_;
};

}  // namespace

std::string encode_metrics(const Status& status, MetricsFormat format) {
  return Encoder{status, format}.encode();
}

}  // namespace sallyport::admin
