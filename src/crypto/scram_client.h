// The client's side of one SCRAM-SHA-256 exchange, with or without channel binding.
//
//   first_message → on_server_first → (pbkdf2 by the caller) → final_message → on_server_final
//
// Only when on_server_final has succeeded is the server known to hold the password's verifier.
#pragma once

#include "base/bytes.h"
#include "base/result.h"
#include "base/secret.h"
#include "crypto/scram.h"

#include <string>
#include <string_view>
#include <vector>

namespace sallyport::crypto {

/// What the client says about channel binding (GS2 header).
enum class ScramBinding {
  unsupported,           ///< "n": no TLS, or nothing to bind to
  not_offered,           ///< "y": we could, the server did not offer -PLUS; it fails if that was forged
  tls_server_end_point,  ///< "p=tls-server-end-point": SCRAM-SHA-256-PLUS
};

struct ScramClientOptions {
  ScramBinding binding = ScramBinding::unsupported;
  std::vector<std::uint8_t> end_point;  ///< TlsFacts::server_end_point; used with tls_server_end_point only
  std::string user;                     ///< PostgreSQL ignores it and expects it empty
};

/// What the server wants hashed.
struct ScramChallenge {
  std::vector<std::uint8_t> salt;
  unsigned iterations = 0;
};

class ScramClient {
 public:
  /// `nonce` is printable ASCII without a comma: base64 of scram_nonce_bytes random bytes.
  ScramClient(ScramClientOptions options, std::string nonce);

  /// The mechanism's name that goes with the chosen binding.
  [[nodiscard]] std::string_view mechanism() const;

  /// client-first-message.
  [[nodiscard]] std::string first_message() const;

  /// Limits  scram_message_bytes_max, scram_salt_bytes_max, limits::scram_iterations_max.
  /// Errors  invalid_message: not a server-first-message. peer_misbehaved: the nonce does not continue
  ///         ours, or adds nothing. limit_exceeded: too many iterations. peer_unsupported: an extension
  ///         that must be understood.
  Result<ScramChallenge> on_server_first(std::string_view message);

  /// client-final-message with the proof. `salted_password` is 32 bytes of PBKDF2.
  /// Errors  internal: called before on_server_first, or a salted password of another size.
  Result<std::string> final_message(const Secret& salted_password);

  /// Checks the server's signature.
  /// Errors  denied: the server sent e=…. peer_misbehaved: wrong signature. invalid_message: neither.
  Result<void> on_server_final(std::string_view message);

 private:
  [[nodiscard]] std::string gs2_header() const;

  ScramClientOptions options_;
  std::string nonce_;
  std::string first_bare_;
  std::string server_first_;
  std::string server_nonce_;
  Sha256Digest server_signature_{};
  enum class Step { first, challenged, proved, finished } step_ = Step::first;
};

}  // namespace sallyport::crypto
