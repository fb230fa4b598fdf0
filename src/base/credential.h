// What a source yields and a login uses: who to be, the proof, and until when.
#pragma once

#include "base/clock.h"
#include "base/secret.h"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace sallyport {

/// The kind fixes the login methods that may be used (threat 2): a reusable password never leaves
/// in clear, a token made for being sent in clear does (inside verified TLS only).
enum class CredentialKind { password, token, client_certificate };

/// What to do when a database does not take a token.
inline constexpr std::string_view refused_token_hint =
    "The server does not take this token: look with sallyport whoami for whom it was made, whether that "
    "identity may "
    "log in as this user there (RDS: rds-db:connect, and GRANT rds_iam to the user), and whether host and "
    "region are "
    "the server's own";

/// The right to a dynamic credential for a time.
struct Lease {
  std::string id;              ///< the manager's id, needed to renew and revoke; not a secret
  std::string address;         ///< whose lease it is (Vault's URL)
  std::string name_space;      ///< Vault namespace, or empty
  std::string mount_and_role;  ///< what `id` must begin with: "database/creds/app-role"
  std::string accessor;        ///< of the token it hangs on, for the audit trail
  Duration duration{};         ///< as granted last
  bool renewable = false;
};

/// A secret that one server alone takes.
struct HostSecret {
  std::string host;
  std::uint16_t port = 0;
  Secret secret;
};

struct Credential {
  std::string user;
  Secret secret;  ///< password, token, or the client certificate's private key (PEM)
  CredentialKind kind = CredentialKind::password;
  std::string certificate_pem;      ///< client_certificate only: the chain to present
  std::optional<WallTime> expires;  ///< none: it does not expire by itself
  std::optional<Lease> lease;
  std::string version;  ///< the source's own version of it, for the audit trail
  std::vector<HostSecret> per_host =
      {};  ///< tokens signed for one of several servers; `secret` is the first one's

  [[nodiscard]] Credential clone() const {
    Credential out{user, secret.clone(), kind, certificate_pem, expires, lease, version};
    for (const auto& one : per_host) out.per_host.push_back({one.host, one.port, one.secret.clone()});
    return out;
  }

  /// The secret for this server.
  [[nodiscard]] const Secret& secret_for(std::string_view host, std::uint16_t port) const {
    for (const auto& one : per_host)
      if (one.host == host && one.port == port) return one.secret;
    return secret;
  }
};

}  // namespace sallyport
