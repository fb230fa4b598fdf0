// The server's side of one SCRAM-SHA-256 exchange.
//
//   on_client_first → on_client_final → (authenticated)
//
// An unknown user runs through the same steps with a mock verifier and fails at the same one.
#pragma once

#include "base/bytes.h"
#include "base/result.h"
#include "crypto/scram.h"

#include <string>
#include <string_view>
#include <vector>

namespace sallyport::crypto {

struct ScramServerOptions {
  ScramVerifier verifier;
  bool mock = false;                    ///< `verifier` is mock_scram_verifier's: never succeeds
  std::vector<std::uint8_t> end_point;  ///< of our own certificate; empty: -PLUS is not offered
};

class ScramServer {
 public:
  /// `nonce` as ScramClient's.
  ScramServer(ScramServerOptions options, std::string nonce);

  /// Answers server-first-message. `plus` says which mechanism the client named.
  ///
  /// Errors  invalid_message: not a client-first-message. peer_unsupported: an authorization id, an
  ///         extension, another binding type. peer_misbehaved: "y" although we offer -PLUS (a forged
  ///         list of mechanisms), or a binding that does not go with the mechanism.
  Result<std::string> on_client_first(std::string_view message, bool plus);

  /// Answers server-final-message when the proof is right.
  /// Errors  denied: it is not, or the verifier is a mock. invalid_message, peer_misbehaved: as above.
  Result<std::string> on_client_final(std::string_view message);

 private:
  ScramServerOptions options_;
  std::string nonce_;
  std::string gs2_header_;
  bool plus_ = false;
  std::string first_bare_;
  std::string server_first_;
  std::string whole_nonce_;
  enum class Step { first, challenged, finished } step_ = Step::first;
};

}  // namespace sallyport::crypto
