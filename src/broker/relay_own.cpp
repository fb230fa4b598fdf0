// What servers answer to statements of our own: it is taken out of what goes to the client.
//
// In transaction pooling they have to succeed, or the session would go on with another one's settings. One that the
// server refuses ends the session in the server's words: it is the client's setting, and nobody has broken the protocol.
#include "broker/relay.h"
#include "broker/relay_visitors.h"

#include <utility>

namespace sallyport::broker {

namespace {

EndCause cause_of_refusal(const postgres::ErrorFields* said) {
  if (said == nullptr) return EndCause::server_misbehaved;
  const auto severity = said->get(postgres::error_field::severity_fixed);
  return severity == "FATAL" || severity == "PANIC" ? EndCause::server_closed : EndCause::settings_refused;
}

}  // namespace

Result<postgres::Scanned> Relay::swallow_some(Bytes chunk) {
  if (loan() != nullptr && loan()->checking) {
    const auto& start_role = upstream_->start_role;
    CheckVisitor visitor{*loan(), start_role.empty() ? lending_->settings.run_as : start_role,
                         upstream_->user, exchange_->swallow_ready};
    return exchange_->server_scanner.scan(chunk, visitor);
  }
  SwallowVisitor visitor{upstream_->parameters, exchange_->swallow_ready, lending_ != nullptr};
  auto scanned = exchange_->server_scanner.scan(chunk, visitor);
  exchange_->refusal = std::move(visitor.refusal);
  return scanned;
}

// Replies to statements of our own, at the front of the chunk. False: no more can be done with it.
bool Relay::swallow(Bytes& chunk) {
  while (exchange_->swallow_ready > 0 && !chunk.empty()) {
    const auto swallowed = swallow_some(chunk);
    if (!swallowed || swallowed->stop == postgres::ScanStop::failed) {
      end(cause_of_refusal(exchange_->refusal.get()));
      return false;
    }
    chunk = chunk.subspan(swallowed->consumed);
    if (swallowed->stop == postgres::ScanStop::chunk_end) {
      exchange_->server_carry.keep(chunk);
      return false;
    }
  }
  return true;
}

const postgres::ErrorFields* Relay::refusal() const {
  return exchange_ == nullptr ? nullptr : exchange_->refusal.get();
}

}  // namespace sallyport::broker
