// The broker: targets with their pools and credentials, routes with their sessions, all on one loop.
//
// It knows no sockets and no configuration file: somebody hands in accepted streams and checked targets
// (cli/ in life, the simulator in tests).
#pragma once

#include "broker/doorstep.h"
#include "broker/expected_client.h"
#include "broker/session.h"
#include "broker/status.h"
#include "broker/turnstile.h"
#include "credentials/orphans.h"
#include "credentials/slot.h"

#include <algorithm>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <unordered_map>
#include <vector>

namespace sallyport::broker {

struct BrokerServices {
  net::Loop& loop;
  Randomness& randomness;
  Logger& logger;
  TrailGate& trail;
  Connector& connector;
  credentials::Timers& timers;
  credentials::Runner& runner;
  credentials::LeaseJournal& journal;
  credentials::OrphanSweeper* sweeper = nullptr;  ///< null: what dead runs left is not looked for
  Handshaker* handshaker = nullptr;               ///< null: no route has TLS
};

/// A role of a target, ready to be opened: its source session is made by the caller from the registry.
struct RoleOpening {
  Role role;
  std::unique_ptr<secrets::SourceSession> source;
  Duration poll_every = std::chrono::minutes{5};
};

struct TargetOpening {
  Target target;
  std::shared_ptr<const Reach> reach;
  std::vector<RoleOpening> roles;
  bool logs_logins = false;  ///< a database that cannot be used is told on the log, not to clients alone
};

class Broker final : private SessionHost {
 public:
  static constexpr std::size_t sessions_max = 20'000;  ///< unless limit_clients() says otherwise

  explicit Broker(BrokerServices services);
  ~Broker();

  /// Adds a target, or replaces one of the same name: sessions of the old one live on, new ones get the new.
  void open_target(TargetOpening opening);
  void close_target(const std::string& name);
  /// The same target with its TLS files read anew: new logins use them, everything else stays.
  void refresh_target(const std::string& name, std::shared_ptr<const Reach> reach);
  /// Null: there is none of that name.
  [[nodiscard]] const Target* find_target(const std::string& name) const;

  /// Policy has changed: sessions whose route is gone, or that it would now refuse or give another role, end at
  /// their next boundary, at the latest after `grace`; those that are not let in yet are judged by `routes` when
  /// they come to it. Returns how many end.
  std::size_t recheck_sessions(const std::map<std::string, std::shared_ptr<const RouteRuntime>>& routes,
                               Duration grace);

  /// False: too many connections of this origin have come to nothing; the caller closes this one without a word.
  /// They are counted, and stand in the trail as one denial a second.
  [[nodiscard]] bool lets_in(const Origin& origin, const std::string& route);
  /// A connection has come in on a route.
  void accept(std::unique_ptr<net::Stream> client, std::shared_ptr<const RouteRuntime> route,
              Origin origin = {});
  /// Descriptors that this process may open: sessions leave room for server connections, trail and files.
  void limit_descriptors(std::size_t descriptors_max);

  /// Clients that may be connected at once, as far as descriptors allow. How many that is.
  std::size_t limit_clients(std::size_t clients_max);

  /// Fetches the credential only: who will connect is not known yet, and a connection serves one identity.
  void warm(const std::string& target, const std::string& role,
            std::function<void(Result<credentials::GenerationPtr>)> done);

  /// Also logs one connection in ahead. `done` gets the first error, or the generation once the login has
  /// succeeded (or there was no database to log in to).
  /// Errors  internal: the key has no identity.
  void warm(const std::string& target, const std::string& role, PoolKey key,
            std::function<void(Result<credentials::GenerationPtr>)> done);

  /// Keeps pool.min_ready connections ready for these clients before the first of them comes, as soon as there is a
  /// credential: with the databases and start-up parameters that they had in the pool that this one has replaced, else
  /// without parameters. No more than `pool.max`; whom the pool has seen is left alone.
  void warm_ahead(const std::string& target, const std::string& role,
                  const std::vector<ExpectedClient>& clients);

  /// Credentials that are missing are fetched although nobody asks: whoever waits for readiness before it sends
  /// clients would wait for ever. The sources' back-off holds.
  void fetch_missing();

  /// The clock may have jumped.
  void check_now();

  /// Sessions end at their next boundary.
  void drain();
  /// Sessions end now.
  void stop_sessions();
  [[nodiscard]] std::size_t sessions() const { return sessions_.size(); }

  /// Ends all leases, at the latest after `limit`. `done` gets what could not be ended.
  void shut_down(Duration limit, std::function<void(credentials::ShutdownReport)> done);

  // ---- for a binary upgrade (broker_control.cpp) ----
  /// Who is asked for sessions that are not here; null: nobody. Outlives this, or is taken back.
  void look_elsewhere(CancelElsewhere* elsewhere) { session_services_.elsewhere = elsewhere; }
  /// A cancel that came to another process. `done` as of CancelElsewhere::ask().
  void cancel(const CancelClaim& claim, std::function<void(bool found)> done);
  [[nodiscard]] std::vector<std::string> paused_targets() const { return {paused_.begin(), paused_.end()}; }
  /// No more clients come: pools keep no more connections than sessions use.
  void expect_no_more();
  /// What dead processes of this service left is ended, beside what is looked for when a role is first used.
  void sweep_again();

  // ---- for an operator (broker_control.cpp, broker_status.cpp) ----
  /// New sessions of this target wait, as long as its pool lets clients wait, until resume_target(). Also after a
  /// reload. Errors, of all four  not_found.
  Result<void> pause_target(const std::string& name);
  Result<void> resume_target(const std::string& name);
  /// Ready server connections are closed now, those in use when they come back.
  Result<void> reconnect_target(const std::string& name);
  /// Sessions of this target end at their next boundary. How many.
  Result<std::size_t> drain_target(const std::string& name);
  [[nodiscard]] std::vector<std::string> target_names() const;
  /// All that the broker knows; `process` is the caller's.
  [[nodiscard]] Status status() const;

  [[nodiscard]] const BrokerCounters& counters() const { return counters_; }
  /// Of the targets as they are now.
  [[nodiscard]] std::vector<const Pool*> pools() const;

 private:
  class RoleRuntime;
  struct TargetRuntime {
    Target target;
    std::map<std::string, std::shared_ptr<RoleRuntime>> roles;
  };

  Result<Access> decide(const RouteRuntime& route, const ProvenPeer& peer, const policy::ClientClaims& claims,
                        WallTime began) override;
  Result<SessionQuota::Place> take_place(const RouteRuntime& route,
                                         const policy::Decision& decision) override;
  std::shared_ptr<const RouteRuntime> current_route(const std::shared_ptr<const RouteRuntime>& was) override;
  void on_session_let_in(Session& session) override;
  void on_session_lingers(Session& session) override;
  void on_session_over(Session& session) override;
  bool end_lingering(const std::string& route, const std::string& identity);
  [[nodiscard]] std::size_t clients_max() const { return std::min(clients_max_, descriptors_allow_); }
  void on_session_moved(const Session& session) override;
  void on_session_forced(const Session& session, std::string_view reason) override;
  void on_session_state(const Session& session, postgres::StateReason reason, bool refused) override;
  void on_database_needed(const Session& session, std::string_view name) override;
  void on_defaults_altered(const Session& session) override;
  void for_each_pool_near(const Session& session, const std::function<void(Pool&)>& call);
  void on_session_awake(Session& session) override;
  void rest_sessions();
  void on_generation_ending(const Pool& pool, std::uint64_t generation, CredentialEnd end);
  void refuse_beyond_max(net::Stream& client, const RouteRuntime& route, const Origin& origin);
  void note_turned_away(const Origin& origin, const std::string& route, bool beyond_max);
  void record_turned_away();
  void count_traffic(const Session& session);
  [[nodiscard]] TargetStatus status_of(const TargetRuntime& runtime) const;
  void add_replaced(TargetStatus& target) const;
  void keep_counters(const RoleRuntime& role);
  template <class Action>
  Result<void> for_pools_of(const std::string& target, Action action);
  void retire(std::shared_ptr<RoleRuntime> role);
  void end_retired();

  BrokerServices services_;
  CancelMap cancels_;
  std::vector<std::uint8_t> buffer_;
  WipedBytes scratch_;
  SessionServices session_services_;
  std::shared_ptr<postgres::StatementNumbers> statement_numbers_ =
      std::make_shared<postgres::StatementNumbers>();
  std::map<std::string, TargetRuntime> targets_;
  std::vector<std::shared_ptr<RoleRuntime>> retired_;  ///< of replaced targets, until their last session ends
  std::map<std::string, RoleStatus> ended_roles_;      ///< their counters, by RoleRuntime::name()
  std::set<const RoleRuntime*> ending_;                ///< of those, whose leases are being ended
  std::function<void(credentials::ShutdownReport)> on_retired_ended_;  ///< a shut-down waits for them, too
  net::TimerId retired_timer_;
  SessionQuota quota_;  // outlives the sessions, which have places in it
  std::unordered_map<std::uint64_t, std::unique_ptr<Session>>
      sessions_;  // by number: the order is the seed's, not the heap's
  std::map<std::pair<std::string, std::string>, std::set<std::uint64_t>>
      lingering_;                     // of them, by route and identity: done, and not closed by their clients
  std::vector<std::uint64_t> awake_;  // numbers of sessions that have been busy lately
  net::TimerId rest_timer_;
  Doorstep doorstep_;
  Turnstile turnstile_;
  struct TurnedAway {
    Origin origin;
    std::string route;
    bool beyond_max = false;
    // clang-tidy 14 takes the 0 that a defaulted <=> is compared with for a pointer.
    auto operator<=>(const TurnedAway&) const = default;  // NOLINT(modernize-use-nullptr)
  };
  std::map<TurnedAway, std::uint64_t> turned_away_;  ///< since turned_away_timer_ was armed
  net::TimerId turned_away_timer_;
  std::size_t clients_max_ = sessions_max, descriptors_allow_ = sessions_max;
  WipedBytes too_many_;  ///< what the next one is told
  std::optional<std::map<std::string, std::shared_ptr<const RouteRuntime>>> routes_;  ///< after a reload
  BrokerCounters counters_;
  std::map<std::string, TargetTraffic> traffic_;    ///< of sessions that have ended, by target
  std::map<std::string, Histogram> client_logins_;  ///< by route
  std::set<std::string> paused_;                    ///< targets
};

}  // namespace sallyport::broker
