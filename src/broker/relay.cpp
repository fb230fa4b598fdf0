#include "broker/relay.h"

#include "base/limits.h"
#include "broker/relay_visitors.h"

namespace sallyport::broker {

namespace {

/// Reads of one side before the others of this loop get their turn.
constexpr int reads_per_turn_max = 16;

}  // namespace

std::string_view name_of(EndCause cause) {
  switch (cause) {
    case EndCause::client_terminated: return "client terminated";
    case EndCause::client_closed: return "client closed";
    case EndCause::client_lost: return "client lost";
    case EndCause::client_misbehaved: return "client sent an impossible message";
    case EndCause::server_closed: return "server closed";
    case EndCause::server_misbehaved: return "server sent an impossible message";
    case EndCause::settings_refused: return "server refused the session's settings";
  }
  return "";
}

Relay::Relay(net::Stream& client, UpstreamPtr upstream, net::Loop& loop, MutableBytes buffer,
             RelayOwner& owner)
    : client_(client), upstream_(std::move(upstream)), loop_(loop), buffer_(buffer), owner_(owner) {
  if (upstream_ != nullptr) exchange_ = std::make_unique<Exchange>();
}

Relay::~Relay() {
  alive_.cut();
  if (loan() != nullptr) loop_.cancel(loan()->answer_due);
  client_.set_events(nullptr);
  if (upstream_ != nullptr) upstream_->stream->set_events(nullptr);
}

void Relay::prepend_statement(std::string_view sql) {
  WipedBytes bytes;
  postgres::encode(bytes, postgres::Query{sql});
  exchange_->to_server.hold(Bytes{bytes});
  exchange_->prefix_held = true;
  ++exchange_->swallow_ready;
}

void Relay::start(Bytes early) {
  client_.set_events(&client_side_);
  if (lending_ != nullptr) {
    lending_->held.assign(early.begin(), early.end());
    pump_client();
    // Who has asked nothing yet may never do: clients come by the hundreds, and what is kept for each then leaves holes.
    return rest();
  }
  upstream_->stream->set_events(&server_side_);
  pump_server();
  if (!early.empty() && !ended_) {
    std::copy(early.begin(), early.end(), buffer_.begin());  // bounded by the login's limits
    if (!on_client_chunk(early.size())) return;
  }
  if (!ended_) pump_client();
}

void Relay::send_to_client(Bytes bytes) {
  if (ended_) return;
  bytes_to_client_ += bytes.size();
  if (!to_client_.send(client_, bytes)) end(EndCause::client_lost);
}

bool Relay::at_boundary() const {
  if (lending_ != nullptr && upstream_ == nullptr) return !lending_->waiting && to_client_.pending() == 0;
  if (lending_ != nullptr && !(lending_->held.empty() && loan()->requests.at_boundary())) return false;
  return upstream_ != nullptr && !exchange_->server_told_of_end && exchange_->tracker.at_boundary() &&
         exchange_->client_scanner.at_boundary() && exchange_->server_scanner.at_boundary() &&
         exchange_->client_carry.empty() && exchange_->server_carry.empty() && to_client_.pending() == 0 &&
         (exchange_->prefix_held || (exchange_->swallow_ready == 0 && exchange_->to_server.pending() == 0));
}

bool Relay::whole_towards_server() const {
  if (exchange_ == nullptr) return true;
  // What is lent is walked by PooledRequests: the scanner of session pooling knows nothing of it.
  const bool whole =
      loan() == nullptr ? exchange_->client_scanner.body_left() == 0 : loan()->requests.at_boundary();
  return whole && (exchange_->to_server.pending() == 0 || exchange_->prefix_held);
}

void Relay::pump_client() {
  if (lending_ != nullptr) return pump_lent_client();
  for (int i = 0; i < reads_per_turn_max; ++i) {
    if (ended_ || client_held_ || client_done_ || upstream_ == nullptr) return;
    if (exchange_->to_server.pending() >= limits::relay_pending_bytes_max)
      return;  // on_server_writable goes on
    if (exchange_->tracker.is_full()) {
      client_waits_ = true;  // after_server_bytes goes on
      return;
    }
    const auto carried = exchange_->client_carry.restore(buffer_);
    const auto result = client_.read(buffer_.subspan(carried, limits::relay_read_bytes));
    if (result.status == net::IoStatus::would_block) {
      exchange_->client_carry.keep(buffer_.first(carried));
      return;
    }
    if (result.status != net::IoStatus::ok) {
      const bool mid_message = carried != 0 || !exchange_->client_scanner.at_boundary();
      return on_client_end(result.status == net::IoStatus::failed || mid_message ? EndCause::client_lost
                                                                                 : EndCause::client_closed);
    }
    if (!on_client_chunk(carried + result.bytes) || !result.more) return;
  }
  requeue_client();
}

bool Relay::on_client_chunk(std::size_t size) {
  const Bytes chunk = buffer_.first(size);
  ClientVisitor visitor{exchange_->tracker, defaults_};
  const auto scanned = exchange_->client_scanner.scan(chunk, visitor);
  if (!scanned) {
    end(EndCause::client_misbehaved);
    return false;
  }
  const auto forward = chunk.first(scanned->consumed);
  bytes_to_server_ += forward.size();
  if (!forward.empty()) {
    exchange_->prefix_held = false;
    exchange_->note_request(loop_.now().mono);
    if (!exchange_->to_server.send(*upstream_->stream, forward)) {
      // What the server said before it closed still has to reach the client.
      pump_server();
      if (!ended_) end(EndCause::server_closed);
      return false;
    }
  }
  if (!visitor.needed_alone.empty()) owner_.on_database_needed(visitor.needed_alone);
  if (visitor.terminate) {
    on_client_end(EndCause::client_terminated);
    return false;
  }
  exchange_->client_carry.keep(chunk.subspan(scanned->consumed));
  return true;
}

void Relay::on_client_end(EndCause cause) {
  client_done_ = true;
  done_cause_ = cause;
  // As a server would: what was asked is still done and answered. A broken connection is noticed here
  // only when we write to it.
  if (cause == EndCause::client_lost) return end(cause);
  after_client_end();
}

void Relay::after_client_end() {
  const bool nothing_outstanding = exchange_ == nullptr || exchange_->tracker.nothing_outstanding();
  if (nothing_outstanding && to_client_.pending() == 0) return end(done_cause_);
  if (upstream_ == nullptr || exchange_->server_told_of_end || exchange_->to_server.pending() != 0 ||
      !exchange_->tracker.awaits_client())
    return;
  // A COPY without its end, requests without their Sync: the server does what it would do if the client had been
  // connected directly.
  exchange_->server_told_of_end = true;
  upstream_->stream->shutdown_write();
}

void Relay::pump_server() {
  for (int i = 0; i < reads_per_turn_max; ++i) {
    if (ended_ || upstream_ == nullptr) return;
    if (to_client_.pending() >= limits::relay_pending_bytes_max) return;  // on_client_writable goes on
    const auto carried = exchange_->server_carry.restore(buffer_);
    const auto result = upstream_->stream->read(buffer_.subspan(carried, limits::relay_read_bytes));
    if (result.status == net::IoStatus::would_block) {
      exchange_->server_carry.keep(buffer_.first(carried));
      if (!ended_ && may_return()) return_upstream();
      return;
    }
    if (result.status != net::IoStatus::ok) return end(client_done_ ? done_cause_ : EndCause::server_closed);
    if (!on_server_chunk(carried + result.bytes)) return;
    note_answers();
    // Whoever gets the connection next must not miss what has come: only when all is read.
    if (!ended_ && !result.more && may_return()) return return_upstream();
    after_server_bytes();
    if (!result.more) return;
  }
  requeue_server();
}

bool Relay::on_server_chunk(std::size_t size) {
  Bytes chunk = buffer_.first(size);
  if (!swallow(chunk)) return !ended_;
  if (lending_ != nullptr) return on_lent_server_chunk(buffer_.subspan(size - chunk.size(), chunk.size()));
  ServerVisitor visitor{exchange_->tracker, *upstream_, client_name_, defaults_};
  const auto scanned = exchange_->server_scanner.scan(chunk, visitor);
  if (!scanned) {
    end(EndCause::server_misbehaved);
    return false;
  }
  exchange_->server_carry.keep(chunk.subspan(scanned->consumed));
  const auto forward = chunk.first(scanned->consumed);
  bytes_to_client_ += forward.size();
  if (defaults_.take_due()) owner_.on_defaults_altered();
  if (!to_client_.send(client_, forward)) {
    end(EndCause::client_lost);
    return false;
  }
  return true;
}

void Relay::after_server_bytes() {
  if (client_name_.is_lost()) give_name_back();
  if (loan() != nullptr && !go_on_with_client()) return;
  if (client_done_) return after_client_end();
  if (client_waits_ && (exchange_ == nullptr || !exchange_->tracker.is_full())) {
    client_waits_ = false;
    requeue_client();
  }
  if (boundary_wanted_ && at_boundary()) owner_.on_boundary();
}

void Relay::on_client_writable() {
  if (ended_) return;
  if (!to_client_.flush(client_)) return end(EndCause::client_lost);
  if (to_client_.pending() < limits::relay_pending_bytes_max) pump_server();
  if (!ended_) after_server_bytes();
}

void Relay::on_server_writable() {
  if (ended_ || upstream_ == nullptr) return;
  if (!exchange_->prefix_held && !exchange_->to_server.flush(*upstream_->stream))
    return end(EndCause::server_closed);
  if (client_done_) return after_client_end();
  if (exchange_->to_server.pending() < limits::relay_pending_bytes_max) pump_client();
}

void Relay::release_client() {
  client_held_ = false;
  pump_client();
}

UpstreamPtr Relay::detach_upstream() {
  upstream_->stream->set_events(nullptr);
  if (lending_ != nullptr) {
    loop_.cancel(loan()->answer_due);
    loan()->requests.detach();
  }
  return std::move(upstream_);
}

void Relay::attach_upstream(UpstreamPtr upstream, bool is_back) {
  upstream_ = std::move(upstream);
  if (lending_ != nullptr) loan()->go_on_with(*upstream_, lending_->parameters, is_back);
  upstream_->stream->set_events(&server_side_);
  pump_server();
}

void Relay::requeue_client() {
  loop_.post([this, alive = alive_.line()] {
    if (*alive) pump_client();
  });
}

void Relay::requeue_server() {
  loop_.post([this, alive = alive_.line()] {
    if (*alive) pump_server();
  });
}

void Relay::end(EndCause cause) {
  if (ended_) return;
  ended_ = true;
  owner_.on_relay_end(cause);
}

}  // namespace sallyport::broker
