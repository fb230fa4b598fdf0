// A client logs in to us, after its first packet: by what the socket already proved, or by SCRAM-SHA-256.
//
// An unknown user runs the same exchange with a mock verifier and is refused at the same point in the
// same words (threat 18).
#pragma once

#include "base/conversation.h"
#include "crypto/scram.h"
#include "crypto/scram_server.h"
#include "wire/postgres/greeting.h"

#include <string>
#include <variant>
#include <vector>

namespace sallyport::postgres {

/// The peer's identity is already known (peer credentials): nothing is asked.
struct ServerTrust {};

struct ServerScram {
  crypto::ScramVerifier verifier;
  bool mock = false;                    ///< an unknown user's: never succeeds
  std::vector<std::uint8_t> end_point;  ///< of our certificate when the client came over TLS; empty: no -PLUS
};

struct ServerLoginRequest {
  std::variant<ServerTrust, ServerScram> method;
  Negotiation negotiation;  ///< sent before anything else when it must be
};

/// Actions used: Send, NeedMore, Done.
///
/// Limits  crypto::scram_message_bytes_max a message.
/// Errors  denied with sqlstate 28P01: wrong proof, unknown user. Others with 08P01. Hop: identity. The
///         caller sends the refusal (refusal.h).
class ServerLogin final : public Conversation {
 public:
  explicit ServerLogin(ServerLoginRequest request);

  Result<Action> resume(Input input) override;

  /// Valid once resume() has answered Done: what the client still has to get before AuthenticationOk
  /// (AuthenticationSASLFinal, or NegotiateProtocolVersion). Send it with the Greeting, in one write.
  [[nodiscard]] Bytes last_bytes() const { return Bytes{last_bytes_}; }

 private:
  enum class Step { fresh, expect_initial, expect_final, finished };
  Result<Action> on_started(const Started& event);
  Result<Action> on_received(InputBuffer& input);
  Result<Action> on_initial(Bytes body);
  Result<Action> on_final(Bytes body);

  ServerLoginRequest request_;
  std::optional<crypto::ScramServer> scram_;
  Step step_ = Step::fresh;
  WipedBytes last_bytes_;
};

}  // namespace sallyport::postgres
