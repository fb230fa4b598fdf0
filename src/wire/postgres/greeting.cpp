#include "wire/postgres/greeting.h"

#include "wire/postgres/authentication.h"

namespace sallyport::postgres {

Negotiation negotiate(const StartupMessage& startup) {
  Negotiation negotiation;
  negotiation.protocol = startup.protocol >= protocol_3_2 ? protocol_3_2 : protocol_3_0;
  for (const auto& [name, value] : startup.parameters) {
    if (name.starts_with("_pq_.")) negotiation.unsupported.push_back(name);
  }
  negotiation.must_tell = negotiation.protocol != startup.protocol || !negotiation.unsupported.empty();
  return negotiation;
}

void encode(WipedBytes& out, const Negotiation& negotiation) {
  if (!negotiation.must_tell) return;
  encode(out, NegotiateProtocolVersion{negotiation.protocol,
                                       {negotiation.unsupported.begin(), negotiation.unsupported.end()}});
}

void encode(WipedBytes& out, const Greeting& greeting) {
  encode(out, AuthenticationOk{});
  for (const auto& [name, value] : greeting.parameters) encode(out, ParameterStatus{name, value});
  encode(out, BackendKeyData{greeting.pid, greeting.cancel_key});
  encode(out, ReadyForQuery{greeting.status});
}

}  // namespace sallyport::postgres
