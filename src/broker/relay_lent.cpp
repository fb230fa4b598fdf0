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
/// What is read of a client that waits for a connection.
constexpr std::size_t read_ahead_bytes = 8192;
/// Room for held bytes that a session keeps.
constexpr std::size_t kept_bytes = 512;

}  // namespace

bool Lending::is_reported(std::string_view name) const {
  const auto& known = reported_->map();
  return std::any_of(known.begin(), known.end(), [name](const auto& one) {
    return std::equal(name.begin(), name.end(), one.first.begin(), one.first.end(), [](char a, char b) {
      return a == (b >= 'A' && b <= 'Z' ? static_cast<char>(b + ('a' - 'A')) : b);
    });
  });
}

void Relay::lend(LendingSettings settings, ReportedParameters parameters) {
  lending_ = std::make_unique<Lending>(tracker_, settings, std::move(parameters));
}

void Relay::pump_lent_client() {
  for (int i = 0; i < reads_per_turn_max; ++i) {
    if (ended_ || client_held_ || client_done_ || awaits_upstream() || lending_->stalled ||
        lending_->checking)
      return;
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
    if (to_server_.pending() >= limits::relay_pending_bytes_max) return;  // on_server_writable goes on
    if (lending_->full) {
      if (!on_lent_chunk(0)) return;
      continue;
    }
    if (tracker_.is_full()) {
      client_waits_ = true;  // after_server_bytes goes on
      return;
    }
    const auto result = client_.read(buffer_.first(limits::relay_read_bytes));
    if (result.status == net::IoStatus::would_block) {
      if (!ended_ && may_return()) return_upstream();
      return;
    }
    if (result.status != net::IoStatus::ok) {
      const bool mid_message = !lending_->held.empty() || !lending_->requests.at_boundary();
      return on_client_end(result.status == net::IoStatus::failed || mid_message ? EndCause::client_lost
                                                                                 : EndCause::client_closed);
    }
    if (!on_lent_chunk(result.bytes)) return;
    if (!result.more && !lending_->full) {
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
  upstream_ = std::move(upstream);
  upstream_->stream->set_events(&server_side_);
  lending_->begin_on(*upstream_);
  if (lending_->parameters.shares(upstream_->parameters)) return true;
  const auto restore = statement_to_restore(lending_->parameters.map(), upstream_->parameters.map());
  if (restore.empty()) return true;
  lending_->restoring = true;
  say_now(restore);
  return false;
}

bool Relay::on_lent_chunk(std::size_t size) {
  auto& lending = *lending_;
  Bytes chunk = buffer_.first(size);
  if (!lending.held.empty()) {
    lending.held.insert(lending.held.end(), chunk.begin(), chunk.end());
    chunk = Bytes{lending.held};
  }
  lending.scratch.clear();
  const auto taken = lending.requests.take(chunk, lending.scratch);
  if (!taken) {
    end(EndCause::client_misbehaved);
    return false;
  }
  const auto forward = taken->rewritten ? Bytes{lending.scratch} : chunk.first(taken->consumed);
  if (!forward_lent(forward)) return false;
  lending.stalled = taken->waits;
  lending.full = taken->full;
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
  if (lending.scratch.capacity() > limits::relay_pending_bytes_max) lending.scratch = {};
  // Last: whoever hears of it may set other sessions going, and they use the loop's buffers.
  look_at_state();
  return !ended_;
}

bool Relay::forward_lent(Bytes bytes) {
  if (bytes.empty()) return true;
  bytes_to_server_ += bytes.size();
  prefix_held_ = false;
  lending_->used = true;
  if (to_server_.send(*upstream_->stream, bytes)) return true;
  // What the server said before it closed still has to reach the client.
  pump_server();
  if (!ended_) end(EndCause::server_closed);
  return false;
}

// The server has answered more of what was asked: the client may have waited for that. False: there is no more to do.
bool Relay::go_on_with_client() {
  if (lending_->checking && swallow_ready_ == 0) return on_state_known();
  if (lending_->restoring && swallow_ready_ == 0) {
    lending_->restoring = false;
    if (!on_lent_chunk(0) || ended_) return false;
    pump_lent_client();
    owner_.on_served();
  } else if (lending_->stalled) {
    lending_->stalled = false;
    if (!on_lent_chunk(0) || ended_) return false;
    pump_lent_client();
  }
  return !ended_;
}

// What the client's requests leave behind: told to the owner once each.
void Relay::look_at_state() {
  auto& lending = *lending_;
  if (const auto refused = lending.requests.take_refused(); !refused.empty()) {
    owner_.on_session_state(refused.first(), true);
  }
  if (tracker_.is_uncertain()) lending.requests.state().add(postgres::StateReason::requests_unclear);
  if (!lending.is_pinned()) {
    lending.told_of_pin = false;
  } else if (!std::exchange(lending.told_of_pin, true)) {
    owner_.on_session_state(lending.requests.state().first(), false);
  }
}

std::string_view Relay::hidden_state() const {
  if (lending_ == nullptr) return tracker_.hidden_state();
  const auto hidden = lending_->requests.state().hidden();
  return hidden.empty() ? std::string_view{} : name_of(hidden.first());
}

bool Relay::on_lent_server_chunk(MutableBytes chunk) {
  while (true) {
    LentServerVisitor visitor{tracker_, *upstream_, client_name_, lending_->requests, chunk};
    const auto scanned = server_scanner_.scan(chunk, visitor);
    if (!scanned || scanned->stop == postgres::ScanStop::failed) {
      end(EndCause::server_misbehaved);
      return false;
    }
    const Bytes forward = chunk.first(scanned->consumed);
    bytes_to_client_ += forward.size();
    if (!forward.empty() && !to_client_.send(client_, forward)) {
      end(EndCause::client_lost);
      return false;
    }
    chunk = chunk.subspan(scanned->consumed);
    if (!visitor.hidden) break;
    chunk = chunk.subspan(postgres::frame_header_bytes);
  }
  server_carry_.keep(chunk);
  return true;
}

// Nothing is under way in either direction. What the client has not read yet does not matter: it is ours. Nor does the
// beginning of a request that is held: the rest may be long in coming.
bool Relay::may_return() const {
  return lending_ != nullptr && upstream_ != nullptr && !lending_->restoring && !lending_->checking &&
         !server_told_of_end_ && tracker_.at_boundary() && !lending_->is_pinned() && !lending_->stalled &&
         !lending_->full && lending_->requests.at_boundary() && server_scanner_.at_boundary() &&
         server_carry_.empty() && swallow_ready_ == 0 && to_server_.pending() == 0;
}

// True: the connection stays until the server has said what is left behind.
bool Relay::ask_for_state() {
  lending_->checking = true;
  lending_->answered = false;
  say_now(state_question(upstream_->parameters.map()));
  return true;
}

bool Relay::on_state_known() {
  auto& lending = *lending_;
  lending.checking = false;
  if (!lending.answered) {
    // It could not be asked (a statement_timeout of the session's): the connection is reset.
    give_up_upstream(false);
  } else if (lending.found.empty() || lending.ignores_state) {
    give_up_upstream();
  } else {
    lending.requests.state().add(lending.found);
    look_at_state();
  }
  if (!ended_) pump_lent_client();
  return !ended_;
}

bool Relay::leaves_lasting_state() const {
  if (lending_ == nullptr) return tracker_.leaves_lasting_state();
  if (lending_->ignores_state) return false;
  auto state = lending_->requests.state();
  state.discard_all();
  return !state.empty();
}

void Relay::return_upstream() {
  look_at_state();
  if (lending_->used && lending_->verifies()) {
    if (upstream_->cancels_in_flight != 0) return;  // it must not hit our question; on_cancel_done() goes on
    if (lending_->check_is_due() && ask_for_state()) return;
  }
  give_up_upstream();
}

void Relay::on_cancel_done() {
  if (ended_ || upstream_ == nullptr) return;
  if (client_name_.is_lost()) give_name_back();
  if (!ended_ && may_return()) return_upstream();
}

void Relay::give_up_upstream(bool known) {
  auto& lending = *lending_;
  lending.parameters = upstream_->parameters;
  if (client_name_.is_lost()) lending.parameters.note(ClientName::parameter, client_name_.name());
  const bool clean = known && !lending.requests.mistrusts_upstream();
  lending.requests.detach();
  upstream_->stream->set_events(nullptr);
  owner_.on_returned(std::move(upstream_), clean);
  if (client_name_.is_lost() && !ended_) tell_name();
  if (ended_) return;
  if (client_done_) return after_client_end();
  if (std::exchange(client_waits_, false)) requeue_client();
  if (boundary_wanted_ && at_boundary()) owner_.on_boundary();
}

}  // namespace sallyport::broker
