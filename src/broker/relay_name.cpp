// A client's application_name after RESET ALL, RESET application_name or DISCARD ALL: the one that it started with.
//
// In transaction pooling it is among the parameters that the next connection gets. Where the session keeps its
// connection it is SET again before anything else of the client's goes there; within a transaction too, so that a ROLLBACK
// takes back both. Only a statement in the same message or pipeline as the reset still finds the server's name.
#include "broker/relay.h"
#include "wire/postgres/messages.h"
#include "wire/postgres/quote.h"

namespace sallyport::broker {

bool Relay::may_give_name_back() const {
  if (ended_ || upstream_ == nullptr || client_done_) return false;
  if (exchange_->server_told_of_end || exchange_->swallow_ready != 0) return false;
  if (lending_ != nullptr && (loan()->restoring || loan()->checking || !loan()->requests.at_boundary()))
    return false;
  if (upstream_->cancels_in_flight != 0) return false;  // it must not hit what we say
  return exchange_->tracker.nothing_outstanding() && !exchange_->tracker.passes_over() &&
         exchange_->tracker.status() != postgres::TransactionStatus::failed &&
         exchange_->client_scanner.at_boundary() && exchange_->server_scanner.at_boundary() &&
         exchange_->server_carry.empty() && exchange_->to_server.pending() == 0;
}

void Relay::give_name_back() {
  if (!may_give_name_back()) return;
  tell_name();
  if (ended_) return;
  const auto sql = "SET application_name = " + postgres::quote_literal(client_name_.name());
  if (lending_ == nullptr) return prepend_statement(sql);  // it goes with the client's next bytes
  loan()->restoring = true;
  say_now(sql);
}

// The reset was answered with the server's name, as nobody could know what it would bring.
void Relay::tell_name() {
  client_name_.on_given_back();
  WipedBytes told;
  postgres::encode(told, postgres::ParameterStatus{ClientName::parameter, client_name_.name()});
  send_to_client(Bytes{told});
}

}  // namespace sallyport::broker
