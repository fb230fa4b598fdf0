// Transaction pooling: how a connection that was lent goes back, and what stays of a client that is at rest.
//
// A client that asks again within a moment finds the exchange as it left it; to drop that at each return would cost
// allocations in every transaction.
#include "broker/relay.h"
#include "broker/state_check.h"

#include <utility>

namespace sallyport::broker {

// Nothing is under way in either direction. What the client has not read yet does not matter: it is ours. Nor does the
// beginning of a request that is held: the rest may be long in coming.
bool Relay::may_return() const {
  return lending_ != nullptr && upstream_ != nullptr && !waits_for_server() && !loan()->full &&
         !exchange_->server_told_of_end && exchange_->tracker.at_boundary() && !is_pinned() &&
         loan()->requests.at_boundary() && exchange_->server_scanner.at_boundary() &&
         exchange_->server_carry.empty() && exchange_->swallow_ready == 0 &&
         exchange_->to_server.pending() == 0;
}

// The connection stays until the server has said what is left behind.
void Relay::ask_for_state() {
  loan()->checking = true;
  loan()->answered = false;
  say_now(state_question(upstream_->parameters.map()));
}

bool Relay::on_state_known() {
  auto& loan = *this->loan();
  loan.checking = false;
  if (!loan.answered) {
    // It could not be asked (a statement_timeout of the session's): the connection is reset.
    give_up_upstream(false);
  } else if (loan.found.empty() || lending_->ignores_state()) {
    give_up_upstream();
  } else {
    loan.requests.state().add(loan.found);
    look_at_state();
  }
  if (!ended_) pump_lent_client();
  return !ended_;
}

bool Relay::leaves_lasting_state() const {
  if (lending_ == nullptr) return exchange_->tracker.leaves_lasting_state();
  if (loan() == nullptr || lending_->ignores_state()) return false;
  auto state = loan()->requests.state();
  state.discard_all();
  return !state.empty();
}

void Relay::return_upstream() {
  look_at_state();
  if (loan()->used && lending_->verifies()) {
    if (upstream_->cancels_in_flight != 0) return;  // it must not hit our question; on_cancel_done() goes on
    if (lending_->check_is_due()) return ask_for_state();
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
  lending.last_turn = turn_of(*upstream_);
  if (client_name_.is_lost()) lending.parameters.note(ClientName::parameter, client_name_.name());
  const bool clean = known && !mistrusts_upstream();
  loan()->requests.detach();
  upstream_->stream->set_events(nullptr);
  owner_.on_returned(std::move(upstream_), clean);
  if (client_name_.is_lost() && !ended_) tell_name();
  if (ended_) return;
  if (client_done_) return after_client_end();
  if (std::exchange(client_waits_, false)) requeue_client();
  if (boundary_wanted_ && at_boundary()) owner_.on_boundary();
}

void Relay::rest() {
  // While it moves its connection is the mover's, and its client is held.
  if (lending_ == nullptr || ended_ || upstream_ != nullptr || lending_->waiting || client_held_ ||
      is_pinned())
    return;
  if (to_client_.pending() == 0) to_client_ = {};
  if (lending_->held.empty()) lending_->held = {};
  alive_.rest();
  end_loan();
}

// What it has prepared stays.
void Relay::end_loan() {
  if (exchange_ == nullptr) return;
  if (auto prepared = loan()->requests.take_prepared(); !prepared.empty())
    lending_->prepared = std::make_unique<postgres::PreparedStatements>(std::move(prepared));
  transactions_ += exchange_->tracker.transactions();
  exchange_.reset();
}

bool Relay::lend_from(const LendingSettings& settings) {
  if (lending_ == nullptr || ended_ || upstream_ != nullptr || client_held_ || is_pinned()) return false;
  end_loan();
  lending_->settings = settings;
  return true;
}

}  // namespace sallyport::broker
