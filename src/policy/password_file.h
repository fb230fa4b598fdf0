// Local passwords: a file of verifiers, one account a line, made by `sallyport passwd`.
//
//   # who              what PostgreSQL keeps in pg_authid.rolpassword
//   alice:SCRAM-SHA-256$4096:salt$StoredKey:ServerKey
//
// A verifier does not tell the password, but whoever has it can try passwords, and play the server: the file is
// checked like the configuration, and should be readable for our user only.
#pragma once

#include "base/result.h"
#include "crypto/scram.h"

#include <array>
#include <map>
#include <string>
#include <string_view>

namespace sallyport::policy {

/// By name.
using Verifiers = std::map<std::string, crypto::ScramVerifier, std::less<>>;

inline constexpr std::size_t password_file_bytes_max = 4U << 20;
/// Names in one file.
inline constexpr std::size_t logins_max = 10'000;
/// As PostgreSQL's names.
inline constexpr std::size_t login_bytes_max = 63;
/// Below that a stolen verifier is worth too much; PostgreSQL's own count.
inline constexpr unsigned password_iterations_min = 4'096;

/// No control characters, no colon, no space at either end, no "#" in front.
bool is_login_name(std::string_view name);

/// Errors  bad_config: `where` is "line N", `what` never quotes a verifier.
Result<Verifiers> parse_password_file(std::string_view text);

/// The count and salt size that most of them have: what an unknown name is shown, so that it looks like the known
/// ones. Contract: not empty.
struct VerifierShape {
  unsigned iterations = password_iterations_min;
  std::size_t salt_bytes = crypto::scram_salt_bytes;
  auto operator<=>(const VerifierShape&) const = default;  // NOLINT(modernize-use-nullptr)
};
VerifierShape usual_shape(const Verifiers& verifiers);

/// All have the same.
bool have_one_shape(const Verifiers& verifiers);

/// What names that stand in no file are answered from.
struct MockIdentity {
  std::array<std::uint8_t, 32> key{};
  VerifierShape shape;  ///< usual_shape(), once for all logins
};

/// What is asked of whoever claims this name. Both ways cost the same, found or not.
struct AskedVerifier {
  crypto::ScramVerifier verifier;
  bool mock = true;  ///< no such name: nothing will do
};
AskedVerifier verifier_for(const Verifiers& verifiers, std::string_view name, const MockIdentity& mock);

}  // namespace sallyport::policy
