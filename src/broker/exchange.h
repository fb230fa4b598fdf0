// What is under way between a relay's client and the server connection that it has: requests that wait for answers,
// frames that are half through, bytes of ours.
//
// In session pooling it lasts as long as the relay. In transaction pooling it is there from one loan to the next, and
// goes when the client has been at rest for a moment.
#pragma once

#include "base/clock.h"
#include "base/limits.h"
#include "broker/lending.h"
#include "broker/outgoing.h"
#include "wire/postgres/error_fields.h"
#include "wire/postgres/frame_scanner.h"
#include "wire/postgres/session_tracker.h"

#include <memory>
#include <optional>
#include <utility>

namespace sallyport::broker {

struct Exchange {
  postgres::SessionTracker tracker;
  postgres::FrameScanner client_scanner{limits::session_statements_bytes_max};
  postgres::FrameScanner server_scanner;
  postgres::HeaderCarry client_carry;
  postgres::HeaderCarry server_carry;
  Outgoing to_server;
  unsigned swallow_ready = 0;                      ///< ReadyForQuery of our own statements still to come
  bool prefix_held = false;                        ///< our own statement waits in to_server
  bool server_told_of_end = false;                 ///< it gets no more bytes from us
  std::optional<Loan> loan;                        ///< transaction pooling
  std::unique_ptr<postgres::ErrorFields> refusal;  ///< of a statement of our own

  void note_request(MonotonicTime now) {
    if (!transaction_began) transaction_began = now;
  }
  /// How long the transaction took that is over; none: one runs, or none was.
  std::optional<Duration> take_duration(MonotonicTime now) {
    if (!transaction_began || !tracker.at_boundary()) return {};
    return now - *std::exchange(transaction_began, std::nullopt);
  }
  std::optional<MonotonicTime> transaction_began;  ///< when the client's first request went to the server
};

}  // namespace sallyport::broker
