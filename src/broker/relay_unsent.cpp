// Transaction pooling: what a client has asked while no connection was free, and does not want any more. No server has
// seen it, and none would begin a statement behind its cancel.
#include "broker/relay.h"
#include "wire/postgres/error_fields.h"

namespace sallyport::broker {

namespace {

/// The bytes of the first request: a query, or all of an extended one up to its Sync. 0: it has not come whole.
std::size_t first_request(Bytes held) {
  std::size_t at = 0;
  while (held.size() - at >= postgres::frame_header_bytes) {
    const auto type = static_cast<char>(held[at]);
    std::size_t length = 0;
    for (std::size_t i = 1; i < postgres::frame_header_bytes; ++i) length = length << 8 | held[at + i];
    if (length < postgres::frame_header_bytes - 1 || held.size() - at <= length) return 0;
    const bool first = at == 0;
    at += 1 + length;
    if (first && type == 'Q') return at;
    if (type == 'S') return first ? 0 : at;  // alone it asks for nothing that could be cancelled
    if (std::string_view{"PBDECH"}.find(type) == std::string_view::npos) return 0;
  }
  return 0;
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
  const std::uint8_t ready[] = {'Z', 0, 0, 0, 5, 'I'};
  answer.insert(answer.end(), std::begin(ready), std::end(ready));
  send_to_client(Bytes{answer});
  if (ended_) return true;
  requeue_client();
  if (boundary_wanted_ && at_boundary()) owner_.on_boundary();
  return true;
}

}  // namespace sallyport::broker
