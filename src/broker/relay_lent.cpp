// Transaction pooling: a server connection is lent for as long as something is under way.
//
// The client is read only once there is a connection, so that its bytes wait in its socket; where none is free, a
// first piece is read all the same, as a farewell needs none. The connection goes back when nothing is outstanding:
// a ReadyForQuery alone does not say so (SessionTracker).
#include "base/limits.h"
#include "broker/relay.h"
#include "broker/relay_visitors.h"

#include <algorithm>
#include <utility>

namespace sallyport::broker {

namespace {

constexpr int reads_per_turn_max = 16;
/// What a server gets for an answer to a statement of ours, when it has nothing else to do.
constexpr auto own_answer_deadline = std::chrono::seconds{15};
/// What is read of a client that waits for a connection.
constexpr std::size_t read_ahead_bytes = 8192;
/// Room for held bytes that a session keeps.
constexpr std::size_t kept_bytes = 512;

}  // namespace

bool Loan::is_reported(std::string_view name) const {
  const auto& known = reported_->map();
  return std::any_of(known.begin(), known.end(), [name](const auto& one) {
    return std::equal(name.begin(), name.end(), one.first.begin(), one.first.end(), [](char a, char b) {
      return a == (b >= 'A' && b <= 'Z' ? static_cast<char>(b + ('a' - 'A')) : b);
    });
  });
}

std::string Loan::reading() const {
  std::string all;
  for (const auto* name : {"DateStyle", "IntervalStyle", "TimeZone", "client_encoding",
                           "standard_conforming_strings", "search_path"})
    (all += reported_->value_of(name)) += '\n';
  return all;
}

bool Loan::begins_with_temporary_schema(const Upstream& upstream, const ReportedParameters& believed) {
  const auto& profile = upstream.key.profile;
  return postgres::has_temporary_schema(believed.value_of("search_path")) ||
         std::any_of(profile.begin(), profile.end(), [](const auto& parameter) {
           return (parameter.first == "search_path" || parameter.first == "options") &&
                  postgres::has_temporary_schema(parameter.second);
         });
}

void Relay::lend(const LendingSettings& settings, ReportedParameters parameters, std::int32_t told_pid,
                 std::uint64_t turn) {
  lending_ = std::make_unique<Lending>(settings, std::move(parameters), told_pid, turn);
}

void Relay::begin_loan() {
  exchange_ = std::make_unique<Exchange>();
  postgres::PreparedStatements prepared;
  if (lending_->prepared != nullptr) prepared = std::move(*std::exchange(lending_->prepared, nullptr));
  exchange_->loan.emplace(exchange_->tracker, lending_->settings, std::move(prepared));
}

// The client's next bytes have to wait for what the server answers.
bool Relay::waits_for_server() const {
  return loan() != nullptr && (loan()->restoring || loan()->stalled || loan()->checking);
}

void Relay::pump_lent_client() {
  for (int i = 0; i < reads_per_turn_max; ++i) {
    if (ended_ || client_held_ || client_done_ || lending_->waiting || waits_for_server()) return;
    if (upstream_ == nullptr) {
      auto lent = owner_.lend_now();
      if (lent == nullptr) {
        if (read_ahead()) owner_.lend_later();
        return;
      }
      if (!attach_lent(std::move(lent))) return;
      if (!lending_->held.empty() && !on_lent_chunk(0)) return;
      if (ended_) return;
    }
    if (exchange_->to_server.pending() >= limits::relay_pending_bytes_max)
      return;  // on_server_writable goes on
    if (loan()->full) {
      if (!on_lent_chunk(0)) return;
      continue;
    }
    if (exchange_->tracker.is_full()) {
      client_waits_ = true;  // after_server_bytes goes on
      return;
    }
    const auto result = client_.read(buffer_.first(limits::relay_read_bytes));
    if (result.status == net::IoStatus::would_block) {
      if (!ended_ && may_return()) return_upstream();
      return;
    }
    if (result.status != net::IoStatus::ok) {
      const bool mid_message = !lending_->held.empty() || !loan()->requests.at_boundary();
      return on_client_end(result.status == net::IoStatus::failed || mid_message ? EndCause::client_lost
                                                                                 : EndCause::client_closed);
    }
    if (!on_lent_chunk(result.bytes)) return;
    if (!result.more && !loan()->full) {
      if (!ended_ && may_return()) return_upstream();
      return;
    }
  }
  requeue_client();
}

// No connection is free. True: the client wants one.
bool Relay::read_ahead() {
  auto& held = lending_->held;
  const auto result = client_.read(buffer_.first(read_ahead_bytes));
  if (result.status == net::IoStatus::ok) {
    held.insert(held.end(), buffer_.begin(), buffer_.begin() + static_cast<std::ptrdiff_t>(result.bytes));
  } else if (result.status != net::IoStatus::would_block) {
    on_client_end(result.status == net::IoStatus::failed || !held.empty() ? EndCause::client_lost
                                                                          : EndCause::client_closed);
    return false;
  }
  if (held.empty() || (held.size() < postgres::frame_header_bytes && !result.more)) return false;
  if (held[0] == 'X') {
    on_client_end(EndCause::client_terminated);
    return false;
  }
  lending_->waiting = true;
  return true;
}

void Relay::on_lent(UpstreamPtr upstream) {
  lending_->waiting = false;
  if (!attach_lent(std::move(upstream)) || !on_lent_chunk(0) || ended_) return;
  pump_lent_client();
}

// False: the client's bytes have to wait, as the connection gets its parameters first. Not with them in one write: a
// cancel of the client's must not hit what we say.
bool Relay::attach_lent(UpstreamPtr upstream) {
  if (exchange_ == nullptr) begin_loan();
  upstream_ = std::move(upstream);
  upstream_->stream->set_events(&server_side_);
  const bool knows_values = std::exchange(lending_->last_turn, 0) == turn_of(*upstream_);
  ++upstream_->turns;
  loan()->begin_on(*upstream_, lending_->parameters, knows_values);
  upstream_->statements.on_reading_restored();  // whoever changes it unreported keeps the connection
  if (lending_->parameters.shares(upstream_->parameters)) return true;
  const auto restore = statement_to_restore(lending_->parameters.map(), upstream_->parameters.map());
  if (restore.empty()) return true;
  loan()->restoring = true;
  say_now(restore);
  return false;
}

// Transaction pooling, with nothing of the client's under way.
void Relay::say_now(std::string_view sql) {
  upstream_->statements.unnamed = 0;  // a simple query ends it
  prepend_statement(sql);
  exchange_->prefix_held = false;
  loan()->answer_due = loop_.after(own_answer_deadline, [this] { end(EndCause::server_closed); });
  if (!exchange_->to_server.flush(*upstream_->stream)) end(EndCause::server_closed);
}

bool Relay::on_lent_chunk(std::size_t size) {
  auto& lending = *lending_;
  Bytes chunk = buffer_.first(size);
  if (!lending.held.empty()) {
    lending.held.insert(lending.held.end(), chunk.begin(), chunk.end());
    chunk = Bytes{lending.held};
  }
  WipedBytes& scratch = lending.settings.scratch;
  scratch.clear();
  const auto taken = loan()->requests.take(chunk, scratch);
  if (!taken) {
    end(EndCause::client_misbehaved);
    return false;
  }
  const auto forward = taken->rewritten ? Bytes{scratch} : chunk.first(taken->consumed);
  if (!forward_lent(forward)) return false;
  if (const auto needed = loan()->requests.take_needed_alone(); !needed.empty())
    owner_.on_database_needed(needed);
  const auto altering = loan()->requests.take_altering();
  if (altering != postgres::Altering::no) defaults_.on_statement(altering == postgres::Altering::kept);
  loan()->stalled = taken->waits;
  loan()->full = taken->full;
  if (taken->terminate) {
    on_client_end(EndCause::client_terminated);
    return false;
  }
  if (lending.held.empty()) {
    const auto rest = chunk.subspan(taken->consumed);
    lending.held.assign(rest.begin(), rest.end());
  } else {
    lending.held.erase(lending.held.begin(),
                       lending.held.begin() + static_cast<std::ptrdiff_t>(taken->consumed));
    if (lending.held.empty() && lending.held.capacity() > kept_bytes) lending.held = {};
  }
  if (scratch.capacity() > limits::relay_pending_bytes_max) scratch = {};
  // Last: whoever hears of it may set other sessions going, and they use the loop's buffers.
  look_at_state();
  return !ended_;
}

bool Relay::forward_lent(Bytes bytes) {
  if (bytes.empty()) return true;
  bytes_to_server_ += bytes.size();
  exchange_->note_request(loop_.now().mono);
  exchange_->prefix_held = false;
  loan()->used = true;
  if (exchange_->to_server.send(*upstream_->stream, bytes)) return true;
  // What the server said before it closed still has to reach the client.
  pump_server();
  if (!ended_) end(EndCause::server_closed);
  return false;
}

// The server has answered more of what was asked: the client may have waited for that. False: there is no more to do.
bool Relay::go_on_with_client() {
  if (exchange_->swallow_ready == 0 && (loan()->checking || loan()->restoring))
    loop_.cancel(loan()->answer_due);
  if (loan()->checking && exchange_->swallow_ready == 0) return on_state_known();
  if (loan()->restoring && exchange_->swallow_ready == 0) {
    loan()->restoring = false;
    if (!on_lent_chunk(0) || ended_) return false;
    pump_lent_client();
    owner_.on_served();
  } else if (loan()->stalled) {
    loan()->stalled = false;
    if (!on_lent_chunk(0) || ended_) return false;
    pump_lent_client();
  }
  return !ended_;
}

// What the client's requests leave behind: told to the owner once each.
void Relay::look_at_state() {
  auto& loan = *this->loan();
  if (const auto refused = loan.requests.take_refused(); !refused.empty()) {
    owner_.on_session_state(refused.first(), true);
  }
  if (exchange_->tracker.is_uncertain()) loan.requests.state().add(postgres::StateReason::requests_unclear);
  if (!is_pinned()) {
    loan.told_of_pin = false;
  } else if (!std::exchange(loan.told_of_pin, true)) {
    owner_.on_session_state(loan.requests.state().first(), false);
  }
}

std::string_view Relay::hidden_state() const {
  if (loan() == nullptr) return exchange_->tracker.hidden_state();
  const auto hidden = loan()->requests.state().hidden();
  return hidden.empty() ? std::string_view{} : name_of(hidden.first());
}

bool Relay::on_lent_server_chunk(MutableBytes chunk) {
  while (true) {
    LentServerVisitor visitor{exchange_->tracker, *upstream_, client_name_,      defaults_,
                              loan()->requests,   chunk,      lending_->told_pid};
    const auto scanned = exchange_->server_scanner.scan(chunk, visitor);
    if (!scanned || scanned->stop == postgres::ScanStop::failed) {
      end(EndCause::server_misbehaved);
      return false;
    }
    const Bytes forward = chunk.first(scanned->consumed);
    bytes_to_client_ += forward.size();
    if (defaults_.take_due()) owner_.on_defaults_altered();
    if (!forward.empty() && !to_client_.send(client_, forward)) {
      end(EndCause::client_lost);
      return false;
    }
    chunk = chunk.subspan(scanned->consumed);
    if (!visitor.hidden) break;
    chunk = chunk.subspan(postgres::frame_header_bytes);
  }
  exchange_->server_carry.keep(chunk);
  return true;
}

}  // namespace sallyport::broker
