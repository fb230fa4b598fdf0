// One client connection, from accept to close: first packet, identity, policy, a server connection, the
// trail's word, greeting, relay, end. ARCHITECTURE.md is its story.
//
// It does no IO of its own beyond its streams and lives on the relay loop.
#pragma once

#include "base/log.h"
#include "broker/cancel_elsewhere.h"
#include "broker/cancel_map.h"
#include "broker/client_facts.h"
#include "broker/departure.h"
#include "broker/doorstep.h"
#include "broker/lifeline.h"
#include "broker/pool.h"
#include "broker/ports.h"
#include "broker/relay.h"
#include "broker/route_tls.h"
#include "broker/session_quota.h"
#include "broker/trail_gate.h"
#include "crypto/scram.h"
#include "policy/decide.h"
#include "wire/postgres/greeting.h"
#include "wire/postgres/refusal.h"
#include "wire/postgres/server_login.h"

#include <memory>
#include <optional>
#include <string>

namespace sallyport::broker {

/// A route as sessions see it; shared and immutable.
struct RouteRuntime {
  Route route;
  std::shared_ptr<PeerProver> prover;
  std::optional<crypto::ScramVerifier> run_token;  ///< asked for after the process was proven (TCP)
  bool talkative = false;                          ///< `exec`: refusals may say all
  std::shared_ptr<RouteTls> tls = {};              ///< null: there is none
  [[nodiscard]] bool requires_tls() const { return route.tls && route.tls->required; }
  [[nodiscard]] bool hears_clear_cancels() const { return route.tls && route.tls->clear_cancel; }
  policy::MockIdentity mock = {};  ///< answers for names without a password (threat 18)
  Duration grace =
      std::chrono::seconds{30};  ///< reload.grace: of sessions that are to end and come to no boundary
};

/// What sessions share.
struct SessionServices {
  net::Loop& loop;
  Randomness& randomness;
  Logger& logger;
  TrailGate& trail;
  CancelMap& cancels;
  Connector& connector;
  MutableBytes buffer;
  WipedBytes& scratch;
  std::uint64_t sessions_begun = 0;
  Handshaker* handshaker = nullptr;      ///< null: no route has TLS
  CancelElsewhere* elsewhere = nullptr;  ///< null: all sessions are here
  KnownClients clients = {};
};

class SessionHost {
 public:
  /// `began`: when the client came; the hours that policy names are asked at that time.
  virtual Result<Access> decide(const RouteRuntime& route, const ProvenPeer& peer,
                                const policy::ClientClaims& claims, WallTime began) = 0;
  /// Counts one session more. Errors  limit_exceeded: there are as many as the configuration allows.
  virtual Result<SessionQuota::Place> take_place(const RouteRuntime& route,
                                                 const policy::Decision& decision) {
    (void)route;
    (void)decision;
    return SessionQuota::Place{};
  }
  /// The route of the same name as it is now; null: it is gone.
  virtual std::shared_ptr<const RouteRuntime> current_route(const std::shared_ptr<const RouteRuntime>& was) {
    return was;
  }
  /// It has said who it is (or it cancels a session that it may cancel).
  virtual void on_session_let_in(Session& session) { (void)session; }
  /// It is done, and has a place as long as its client does not close: stop() it if somebody else needs that.
  virtual void on_session_lingers(Session& session) { (void)session; }
  /// The session is over: destroy it, at the turn's end at the earliest.
  virtual void on_session_over(Session& session) = 0;
  virtual void on_session_moved(const Session& session) = 0;
  virtual void on_session_forced(const Session& session, std::string_view reason) = 0;
  /// Transaction pooling: it keeps its server connection, or what it wanted was refused.
  virtual void on_session_state(const Session& session, postgres::StateReason reason, bool refused) {
    (void)session, (void)reason, (void)refused;
  }
  /// Its statement needs this database for itself: connections to it that stand ready are in the way. Nothing else may
  /// begin in this call.
  virtual void on_database_needed(const Session& session, std::string_view name) {
    (void)session, (void)name;
  }
  /// Connections to its server that stand ready began with other defaults. As above.
  virtual void on_defaults_altered(const Session& session) { (void)session; }
  /// Transaction pooling: it has been busy. Session::rest() once it has not been for a moment.
  virtual void on_session_awake(Session& session) { (void)session; }

 protected:
  ~SessionHost() = default;
};

class Session final : private RelayOwner, private DepartureOwner, private net::StreamEvents {
 public:
  Session(std::unique_ptr<net::Stream> client, std::shared_ptr<const RouteRuntime> route,
          SessionServices& services, SessionHost& host, Origin origin = {});
  ~Session();
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  void start();

  /// The credential of `generation` ends: move, or be told so at a boundary before that.
  void on_generation_ending(const Pool& pool, std::uint64_t generation, CredentialEnd end);

  /// Transaction pooling: its target may have been replaced. It borrows from the new one, with the same rights.
  void follow_reload();

  /// End at the next boundary, with 57P01. The first reason given stays.
  void drain(Dismissal why = Dismissal::shutting_down);
  [[nodiscard]] bool is_draining() const { return departure_ != nullptr && departure_->is_draining(); }
  /// End now, with 57P01; who is not let in yet is told nothing.
  void stop(Dismissal why = Dismissal::shutting_down);
  /// stop() after this time, if it has not ended by itself.
  void stop_after(Duration grace, Dismissal why);
  /// stop(), and who waits to be let in is told why.
  void shut_down();

  /// Lets go of what only a busy session needs. False: it has been busy since the last call, ask again.
  bool rest();

  /// Whether it owns this session (threat 16). If not, the trail is told: it has the key.
  [[nodiscard]] bool lets_cancel(const CancelAsker& asker) const;
  /// A cancel that named our key. `done` when the server has acted.
  void cancel_query(std::function<void()> done);

  /// Not 0; no other session has it.
  [[nodiscard]] std::uint64_t number() const { return number_; }
  /// The number as the trail and the client are told it.
  [[nodiscard]] std::string id() const;
  [[nodiscard]] const Origin& origin() const { return facts().origin; }
  [[nodiscard]] bool has_access() const {
    return facts().access.pool != nullptr &&
           (stage_ == Stage::waiting || stage_ == Stage::admitting || stage_ == Stage::relaying);
  }
  [[nodiscard]] const ProvenPeer& peer() const { return facts().peer; }
  [[nodiscard]] const RouteRuntime& route() const { return *route_; }
  [[nodiscard]] const policy::ClientClaims& claims() const { return facts().claims; }
  [[nodiscard]] WallTime began() const { return began_; }
  [[nodiscard]] const std::string& identity() const { return facts().access.decision.identity; }
  [[nodiscard]] const std::string& role() const { return facts().access.decision.role; }
  [[nodiscard]] const std::string& target() const { return facts().access.target; }
  [[nodiscard]] bool lingers() const { return lingers_; }

  // ---- for counters ----
  struct Traffic {
    std::uint64_t bytes_to_server = 0, bytes_to_client = 0, transactions = 0;
  };
  /// None: it has not been greeted.
  [[nodiscard]] std::optional<Traffic> traffic() const {
    if (relay_ == nullptr) return std::nullopt;
    return Traffic{relay_->bytes_to_server(), relay_->bytes_to_client(), relay_->transactions()};
  }
  [[nodiscard]] MonotonicTime accepted_at() const { return accepted_at_; }

 private:
  enum class Stage : std::uint8_t {
    first_packet,
    handshake,
    scram,
    cancelling,
    waiting,
    admitting,
    relaying,
    closing,
    over
  };

  /// What a session needs until it is let in.
  struct Login {
    ClientFacts facts;  ///< so far
    InputBuffer input;
    unsigned answers = 0;                                          ///< to SSLRequest and GSSENCRequest
    Handshaker::Id handshake = 0;                                  ///< under way; 0: none
    std::shared_ptr<const policy::ClientCertificate> certificate;  ///< of its TLS
    std::vector<std::uint8_t> end_point;  ///< of our certificate, as the client saw it; empty: without TLS
    postgres::StartupMessage startup;
    postgres::Negotiation negotiation;
    std::unique_ptr<postgres::ServerLogin> scram;
    std::shared_ptr<const Greeting> greeting;  ///< transaction pooling
    UpstreamPtr upstream;                      ///< until the relay has it
  };

  void on_readable() override;
  void on_writable() override;
  void on_boundary() override;
  void on_relay_end(EndCause cause) override;
  UpstreamPtr lend_now() override;
  void lend_later() override;
  void on_served() override;
  void on_returned(UpstreamPtr upstream, bool clean) override;
  void on_transaction(Duration took) override { pool().note_transaction(took); }
  void on_session_state(postgres::StateReason reason, bool refused) override;
  void on_session_moved() override;
  void on_database_needed(std::string_view name) override { host_.on_database_needed(*this, name); }
  void on_defaults_altered() override { host_.on_defaults_altered(*this); }
  void on_session_forced(std::string_view reason) override { host_.on_session_forced(*this, reason); }
  void end_session(std::string_view why, const char* message, const char* hint) override;
  void on_server_lost() override;

  void read_client();
  void handle_first_packets();
  void refuse_unheard(const char* what);
  void hang_up();
  void answer(std::uint8_t byte);
  [[nodiscard]] bool offers_tls() const { return services_.handshaker != nullptr && route_->tls != nullptr; }
  void on_ssl_request();
  void on_direct_tls();
  void shake_hands(bool direct);
  void on_handshake_over(HandshakeResult result);
  void abandon_handshake();
  [[nodiscard]] bool is_secured() const { return !facts().tls.empty(); }
  [[nodiscard]] CancelAsker as_asker(bool proven) const;
  void await_cancel();
  void on_startup(postgres::StartupMessage startup);
  void on_cancel_request(const postgres::CancelRequest& request);
  void send_cancel(std::vector<std::function<void()>> done);
  void on_cancel_sent(std::uint64_t connection, const CancelOutcome& outcome);
  void prove_login(), take_name(), take_claims();
  void begin_scram(postgres::ServerScram scram);
  void continue_scram(Event event);
  void on_proven();
  void start_ageing();
  [[nodiscard]] PoolKey pool_key() const;
  void on_upstream(Result<UpstreamPtr> upstream);
  void admit();
  void on_lent(Result<UpstreamPtr> upstream);
  /// In transaction pooling; a replication session has its connection for itself there, too.
  [[nodiscard]] bool is_lent() const {
    return pool().settings().pool.mode == PoolMode::transaction &&
           facts().access.decision.replication == policy::Replication::none;
  }
  void end_unserved(const Error& error);
  [[nodiscard]] LendingSettings lending_settings();
  void on_admitted(const Result<void>& outcome);
  void greet();
  [[nodiscard]] std::unique_ptr<Login> let_in(const ReportedParameters& servers);
  void on_busy();
  void on_deadline();

  void deny(const Error& error);
  /// `tell_all`: also to who has not said who it is.
  void refuse(const Error& error, bool count_as_denied, bool tell_all = false);
  void record_refusal(const Error& error, bool count_as_denied);
  void send(Bytes bytes);
  void close_client();
  void finish();
  void let_go_of_upstream();
  /// Made when it is first needed.
  Departure& departure();
  void record_end(std::string_view result, std::string_view reason);
  [[nodiscard]] trail::Event event(trail::EventKind kind) const;
  void add_verified(trail::Event& event) const;
  void record_foreign_cancel(const CancelAsker& asker, std::string_view why) const;

  [[nodiscard]] const ClientFacts& facts() const { return login_ != nullptr ? login_->facts : *facts_; }
  [[nodiscard]] Pool& pool() const { return *facts().access.pool; }

  std::unique_ptr<net::Stream> client_;  // null while its handshake is under way
  std::shared_ptr<const RouteRuntime> route_;
  SessionServices& services_;
  SessionHost& host_;
  std::unique_ptr<Login> login_;              // null: let in
  std::shared_ptr<const ClientFacts> facts_;  // then
  std::int64_t pid_ = 0;                      // then; 0: not seen
  std::uint64_t number_;
  MonotonicTime accepted_at_{};
  WallTime began_{};
  net::TimerId deadline_;  // of the login, the session's age, the farewell: one at a time
  SessionQuota::Place place_;
  Pool::WaiterId waiter_ = 0;
  Outgoing outgoing_;  // before and after the relay
  std::unique_ptr<Relay> relay_;
  std::unique_ptr<Departure> departure_;  // null: nothing makes it leave so far
  std::vector<std::function<void()>> joined_cancels_;
  Lifeline alive_;
  std::int32_t told_pid_ = 0;
  Stage stage_ = Stage::first_packet;
  std::uint8_t cancels_under_way_ = 0;  // 0 or 1: further ones join
  bool may_be_cancelled_ = false;       // its key is known
  bool cancel_when_lent_ = false;
  bool client_ended_ = false;  // in closing: it sends no more
  bool lingers_ = false;       // the host knows that its client has yet to close
  bool started_ = false;       // a session_start record was accepted
  bool awake_ = false;         // the host knows that it has been busy
  bool was_busy_ = false;      // since rest() was called
};

}  // namespace sallyport::broker
