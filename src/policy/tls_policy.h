// How a connection to a database is to be protected. Default: chain and name are verified.
#pragma once

#include "base/clock.h"
#include "base/result.h"

#include <string>
#include <vector>

namespace sallyport {

/// libpq's names. Anything weaker than verify_full needs `reason` and `until` (threat 20).
enum class TlsMode { disable, require, verify_ca, verify_full };

struct TlsPolicy {
  TlsMode mode = TlsMode::verify_full;
  std::vector<std::string> roots;       ///< PEM files; "system" is the system's store; empty = system
  std::string crl_file;                 ///< PEM; empty: revocation is not checked
  std::string server_name;              ///< expected in the certificate; empty: the host connected to
  std::string min_version = "1.2";      ///< "1.2" or "1.3"
  std::string client_certificate_file;  ///< PEM chain; empty: none
  std::string client_key_file;          ///< PEM, private file
  std::string weaker_reason;            ///< tls.reason
  std::string weaker_until;             ///< tls.until, "2026-12-31"; inclusive
  bool operator==(const TlsPolicy&) const = default;
};

std::string_view name_of(TlsMode mode);
/// What a weaker mode leaves open: "encrypts nothing". Empty for verify_full.
std::string_view weakness(TlsMode mode);
Result<TlsMode> parse_tls_mode(std::string_view text);

/// Checks the rule for anything weaker than verify-full: a reason, and an end date in at most 90 days
/// that has not passed.
/// Errors  bad_config: says which part is missing or has expired, and what to write.
Result<void> check(const TlsPolicy& policy, WallTime now);

}  // namespace sallyport
