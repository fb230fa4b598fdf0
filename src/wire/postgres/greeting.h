// What a client is told once it is let in, and which protocol version it gets.
#pragma once

#include "base/bytes.h"
#include "base/result.h"
#include "base/secret.h"
#include "wire/postgres/first_packet.h"
#include "wire/postgres/session_messages.h"

#include <cstdint>
#include <string>
#include <vector>

namespace sallyport::postgres {

/// The version both sides speak, and what the client must be told about it.
struct Negotiation {
  std::uint32_t protocol = protocol_3_0;  ///< protocol_3_0 or protocol_3_2
  std::vector<std::string> unsupported;   ///< _pq_.* options that we do not know
  bool must_tell = false;                 ///< NegotiateProtocolVersion has to be sent
};

/// 3.0 and 3.2 are supported; another minor version gets the newest of these below it, and is told.
Negotiation negotiate(const StartupMessage& startup);

/// NegotiateProtocolVersion when it must be sent, nothing else. Goes before the first authentication message.
void encode(WipedBytes& out, const Negotiation& negotiation);

/// After the client proved itself: AuthenticationOk, ParameterStatus…, BackendKeyData, ReadyForQuery.
struct Greeting {
  const Parameters& parameters;
  std::int32_t pid = 0;  ///< the server's own, or a number of ours (transaction pooling)
  Bytes cancel_key;      ///< ours; 4 bytes for protocol 3.0
  TransactionStatus status = TransactionStatus::idle;
};
void encode(WipedBytes& out, const Greeting& greeting);

}  // namespace sallyport::postgres
