// Transaction pooling: what a client has asked while no connection was free, and does not want any more. No server has
// seen it, and none would begin a statement behind its cancel.
#include "broker/relay.h"
#include "wire/postgres/error_fields.h"
#include "wire/postgres/frame.h"
#include "wire/postgres/session_messages.h"

namespace sallyport::broker {

namespace {

/// The bytes of the first request: a query, or all of an extended one up to its Sync. 0: it has not come whole.
std::size_t first_request(Bytes held) {
  std::size_t at = 0;
  for (;;) {
    const auto decoded = postgres::decode_message(held.subspan(at), held.size());
    if (!decoded || !*decoded) return 0;
    const auto& message = **decoded;
    const bool first = at == 0;
    at += message.frame_bytes();
    if (first && message.type == 'Q') return at;
    if (message.type == 'S') return first ? 0 : at;  // alone it asks for nothing that could be cancelled
    if (std::string_view{"PBDECH"}.find(message.type) == std::string_view::npos) return 0;
  }
}

}  // namespace

bool Relay::cancel_unsent() {
  if (lending_ == nullptr || !lending_->waiting) return false;
  auto& held = lending_->held;
  const auto size = first_request(Bytes{held});
  if (size == 0) return false;
  held.erase(held.begin(), held.begin() + static_cast<std::ptrdiff_t>(size));
  lending_->waiting = !held.empty();
  postgres::ErrorFields fields;
  fields.add(postgres::error_field::severity, "ERROR");
  fields.add(postgres::error_field::severity_fixed, "ERROR");
  fields.add(postgres::error_field::sqlstate, "57014");
  fields.add(postgres::error_field::message, "canceling statement due to user request");
  WipedBytes answer;
  postgres::encode_error_response(answer, fields);
  postgres::encode(answer, postgres::ReadyForQuery{postgres::TransactionStatus::idle});
  send_to_client(Bytes{answer});
  if (ended_) return true;
  requeue_client();
  if (boundary_wanted_ && at_boundary()) owner_.on_boundary();
  return true;
}

}  // namespace sallyport::broker
