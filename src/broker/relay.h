// Carries one session's bytes both ways, streaming: frames are walked, never held whole.
//
// Client bytes go on at once; when a peer does not read, its unsent bytes are kept up to
// relay_pending_bytes_max and the other side is no longer read. Replies to statements that we slipped
// in ourselves (SET application_name before the first query) are swallowed.
//
// In transaction pooling it has a server connection only while something is under way (relay_lent.cpp).
#pragma once

#include "broker/altered_defaults.h"
#include "broker/client_name.h"
#include "broker/exchange.h"
#include "broker/lifeline.h"
#include "broker/upstream.h"
#include "net/loop.h"
#include "net/stream.h"

#include <memory>
#include <string_view>
#include <vector>

namespace sallyport::broker {

enum class EndCause {
  client_terminated,  ///< Terminate, all requests answered
  client_closed,      ///< end of its bytes, all requests answered
  client_lost,        ///< its connection broke, or ended inside a message
  client_misbehaved,
  server_closed,
  server_misbehaved,
  settings_refused,  ///< transaction pooling: what the session had set, on the connection that it got
};

std::string_view name_of(EndCause cause);

class RelayOwner {
 public:
  /// The session came to rest between transactions; only while boundary_wanted is set.
  virtual void on_boundary() = 0;
  /// The server is idle again after what was asked of it. `took`: by the loop's turns, without waits for a connection.
  virtual void on_transaction(Duration took) { (void)took; }
  /// Once. The relay does nothing more; the owner may not destroy it before the turn's end.
  virtual void on_relay_end(EndCause cause) = 0;

  /// The client's statement, sent to the server now, needs this database for itself. Nothing else may begin in this call.
  virtual void on_database_needed(std::string_view name) { (void)name; }
  /// What sessions begin with was changed (altered_defaults.h). Nothing else may begin in this call.
  virtual void on_defaults_altered() {}

  // ---- transaction pooling only ----
  /// The client asks for something: a connection that is ready now, or null.
  virtual UpstreamPtr lend_now() { return nullptr; }
  /// None is: on_lent() when there is one. Perhaps from within this call.
  virtual void lend_later() {}
  /// What the client wanted has been sent to the server, after some waiting.
  virtual void on_served() {}
  /// Nothing is under way any more. `clean`: it need not be reset.
  virtual void on_returned(UpstreamPtr upstream, bool clean) { (void)upstream, (void)clean; }
  /// The session keeps its connection from now on, for this reason; `refused`: what the client wanted was refused.
  virtual void on_session_state(postgres::StateReason reason, bool refused) { (void)reason, (void)refused; }

 protected:
  ~RelayOwner() = default;
};

class Relay {
 public:
  /// `buffer` is the loop's one read buffer, at least relay_read_bytes + HeaderCarry::bytes_max long.
  Relay(net::Stream& client, UpstreamPtr upstream, net::Loop& loop, MutableBytes buffer, RelayOwner& owner);
  ~Relay();
  Relay(const Relay&) = delete;
  Relay& operator=(const Relay&) = delete;

  /// Transaction pooling. Without a connection so far; before start().
  /// `turn`: where the session stands in the row of those whose state is looked at now and then.
  void lend(const LendingSettings& settings, ReportedParameters parameters, std::int32_t told_pid,
            std::uint64_t turn);
  /// What is lent from now on comes from another pool. False: it has a connection of the old one still.
  bool lend_from(const LendingSettings& settings);
  /// After lend_later().
  void on_lent(UpstreamPtr upstream);
  /// Its request has not been given to a server yet.
  [[nodiscard]] bool awaits_upstream() const {
    return lending_ != nullptr && (lending_->waiting || (loan() != nullptr && loan()->restoring));
  }
  /// A request that waits for a connection, and that no server has seen, is answered with 57014 and forgotten. False:
  /// there is none that has come whole.
  bool cancel_unsent();
  /// The server is asked what the session leaves behind; of the client nothing is under way.
  [[nodiscard]] bool checks_state() const { return loan() != nullptr && loan()->checking; }
  /// Transaction pooling: its client may be idle for long. What only a loan needs goes, unless one is under way.
  void rest();
  /// Transaction pooling: it has a connection, and has no more to do with it.
  [[nodiscard]] bool may_return() const;
  /// What DISCARD ALL does not end (LOAD, connections of dblink): its server connection is for nobody else.
  [[nodiscard]] bool leaves_lasting_state() const;
  /// Somebody has ended statements on it, or made some, behind our back.
  [[nodiscard]] bool mistrusts_upstream() const {
    return loan() != nullptr && loan()->requests.mistrusts_upstream();
  }
  /// Its state is bound to the connection that it has; always so in session pooling.
  [[nodiscard]] bool is_pinned() const {
    if (lending_ == nullptr) return true;
    return loan() != nullptr && !lending_->ignores_state() && !loan()->requests.state().empty();
  }
  /// As the client was told; in transaction pooling.
  [[nodiscard]] const ReportedParameters& parameters() const { return lending_->parameters; }
  /// What is known of state that no new connection could be given, as a word for a counter; empty: nothing.
  [[nodiscard]] std::string_view hidden_state() const;

  /// The application's name that the client started with, to be kept through RESET; the text outlives the relay.
  void keep_name(std::string_view name) { client_name_.start(name); }

  /// Our own statement, to be sent in front of the client's next bytes; its reply is swallowed.
  void prepend_statement(std::string_view sql);
  /// A cancel for the server connection has run out: what had to wait for that goes on.
  void on_cancel_done();

  /// Goes on with what the login could not send yet; before anything else is sent.
  void continue_outgoing(Outgoing outgoing) { to_client_ = std::move(outgoing); }

  /// Takes over both streams' events and reads once. `early`: what the client sent behind its login.
  void start(Bytes early);
  /// Bytes of ours to the client (greeting, refusal, a notice between two frames).
  void send_to_client(Bytes bytes);

  /// At the end: what the client has not taken yet.
  [[nodiscard]] Outgoing take_outgoing_to_client() { return std::exchange(to_client_, {}); }

  /// At the end: what the server said to a statement of ours that had to succeed; null: it has refused none.
  [[nodiscard]] const postgres::ErrorFields* refusal() const;

  // ---- for moving to another server connection ----
  void hold_client() { client_held_ = true; }
  [[nodiscard]] bool client_has_read() const { return to_client_.pending() == 0 && client_.has_been_read(); }
  void release_client();
  /// At a boundary, client held: the connection as it is now, its events no longer ours.
  [[nodiscard]] UpstreamPtr detach_upstream();
  /// `is_back`: the one that was detached; else one that others may have had before.
  void attach_upstream(UpstreamPtr upstream, bool is_back);

  /// Nothing is owed, open or half sent, in either direction: the server connection may change owner.
  [[nodiscard]] bool at_boundary() const;
  /// Our bytes to that peer end between two frames.
  [[nodiscard]] bool whole_towards_client() const {
    return exchange_ == nullptr || exchange_->server_scanner.body_left() == 0 ||
           exchange_->swallow_ready != 0;
  }
  [[nodiscard]] bool whole_towards_server() const;
  void want_boundary(bool wanted) { boundary_wanted_ = wanted; }
  /// What it owes can be told no more, as in replication: at_boundary() is never true again.
  [[nodiscard]] bool has_no_boundary() const {
    return upstream_ != nullptr && exchange_->tracker.is_uncertain();
  }
  /// A transaction is open, and nothing is asked in it.
  [[nodiscard]] bool sits_in_transaction() const {
    return upstream_ != nullptr && exchange_->tracker.nothing_outstanding() &&
           exchange_->tracker.status() != postgres::TransactionStatus::idle;
  }

  [[nodiscard]] Upstream& upstream() { return *upstream_; }
  [[nodiscard]] bool has_upstream() const { return upstream_ != nullptr; }
  /// While it has a connection.
  [[nodiscard]] const postgres::SessionTracker& tracker() const { return exchange_->tracker; }
  [[nodiscard]] std::uint64_t transactions() const {
    return transactions_ + (exchange_ == nullptr ? 0 : exchange_->tracker.transactions());
  }
  [[nodiscard]] std::uint64_t bytes_to_server() const { return bytes_to_server_; }
  [[nodiscard]] std::uint64_t bytes_to_client() const { return bytes_to_client_; }

 private:
  struct ClientSide final : net::StreamEvents {
    explicit ClientSide(Relay& owner) : relay(owner) {}
    void on_readable() override { relay.pump_client(); }
    void on_writable() override { relay.on_client_writable(); }
    Relay& relay;
  };
  struct ServerSide final : net::StreamEvents {
    explicit ServerSide(Relay& owner) : relay(owner) {}
    void on_readable() override { relay.pump_server(); }
    void on_writable() override { relay.on_server_writable(); }
    Relay& relay;
  };
  struct ClientVisitor;
  struct ServerVisitor;
  struct SwallowVisitor;
  struct LentServerVisitor;
  struct CheckVisitor;

  void pump_client();
  void pump_server();
  void on_client_writable();
  void on_server_writable();
  bool on_client_chunk(std::size_t size);
  bool on_server_chunk(std::size_t size);
  void on_client_end(EndCause cause);
  void after_client_end();
  void after_server_bytes();
  void note_answers() {
    if (exchange_ == nullptr) return;
    if (const auto took = exchange_->take_duration(loop_.now().mono)) owner_.on_transaction(*took);
  }
  void requeue_client();
  void requeue_server();

  // Transaction pooling: relay_lent.cpp lends, relay_return.cpp takes back, relay_unsent.cpp drops what waits.
  void pump_lent_client();
  bool read_ahead();
  bool on_lent_chunk(std::size_t size);
  bool forward_lent(Bytes bytes);
  bool swallow(Bytes& chunk);
  Result<postgres::Scanned> swallow_some(Bytes chunk);
  bool on_lent_server_chunk(MutableBytes chunk);
  [[nodiscard]] Loan* loan() const {
    return exchange_ != nullptr && exchange_->loan ? &*exchange_->loan : nullptr;
  }
  [[nodiscard]] bool waits_for_server() const;
  void begin_loan();
  void end_loan();
  bool attach_lent(UpstreamPtr upstream);
  void return_upstream();
  void give_up_upstream(bool known = true);
  void ask_for_state();
  void say_now(std::string_view sql);
  bool on_state_known();
  bool go_on_with_client();
  void look_at_state();

  // relay_name.cpp: the application's name after a RESET.
  void give_name_back();
  [[nodiscard]] bool may_give_name_back() const;
  void tell_name();

  void end(EndCause cause);

  net::Stream& client_;
  UpstreamPtr upstream_;
  net::Loop& loop_;
  MutableBytes buffer_;
  RelayOwner& owner_;
  ClientSide client_side_{*this};
  ServerSide server_side_{*this};
  std::unique_ptr<Lending> lending_;    // null: session pooling
  std::unique_ptr<Exchange> exchange_;  // null: lent, and at rest
  ClientName client_name_;
  AlteredDefaults defaults_;
  Outgoing to_client_;
  std::uint64_t bytes_to_server_ = 0;
  std::uint64_t bytes_to_client_ = 0;
  std::uint64_t transactions_ = 0;  // of exchanges that are over
  bool client_held_ = false;
  bool client_waits_ = false;  // for answers: too many are owed
  bool client_done_ = false;   // it sends no more; its last requests may be under way
  EndCause done_cause_ = EndCause::client_closed;
  bool boundary_wanted_ = false;
  bool ended_ = false;
  Lifeline alive_;  // for posted continuations
};

}  // namespace sallyport::broker
