// TLS towards a database server: one context per (policy, configuration generation), one SSL per
// connection, and what a finished handshake proved.
//
// A context is immutable and shared; what differs between connections (name, ALPN, client
// certificate) is set on the SSL. Sessions are never resumed: the pool is our cache, and a resumed
// session would skip the check of the certificate. The caller owns the socket and the deadline.
#pragma once

#include "base/conversation.h"
#include "base/credential.h"
#include "base/file_opener.h"
#include "base/result.h"
#include "net/ssl_handle.h"
#include "policy/tls_policy.h"

#include <openssl/ssl.h>

#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace sallyport::net {

using SslPtr = SslHandle;

/// Whom to believe where no policy says it: a cloud's control plane has named them.
struct TlsIdentity {
  std::string authorities_pem;     ///< nobody else's certificates
  std::vector<std::string> names;  ///< the first is sent as SNI; the certificate has one of them
  std::string common_name;         ///< or this as its subject's; empty: never
};

class TlsContext {
 public:
  /// Reads the policy's roots, CRL and client certificate once. `outside` opens what the sandbox keeps from us.
  ///
  /// Modes   require: nothing is verified.  verify_ca: the chain.  verify_full: chain and name.
  /// Errors  bad_config: a file is missing, may be written by others (base/trusted_file.h), holds no
  ///         certificate, is a key that others may read, or does not belong to the certificate; or the mode is
  ///         `disable`. `where` names the file.
  static Result<std::shared_ptr<const TlsContext>> for_upstream(const TlsPolicy& policy,
                                                                const FileOpener& outside = nullptr);

  /// TLS 1.3 only, chain and name verified.
  /// Errors  bad_config: no certificate in `authorities_pem`, or neither a name nor a common name.
  static Result<std::shared_ptr<const TlsContext>> for_identity(const TlsIdentity& identity);

  /// An SSL in connect state without a file descriptor: the caller sets it and calls SSL_do_handshake.
  ///
  /// `host` is what was connected to; policy.server_name goes before it. A name is sent as SNI, an IP
  /// literal is not. Name check: DNS SANs with whole-label wildcards, IP SANs; the common name only when
  /// there is no DNS SAN, as libpq; never the common name for an IP literal, which libpq would accept.
  /// `alpn` may be empty. `client_certificate` may be null; kinds other than client_certificate are ignored.
  /// Errors  bad_config: verify_full without a name (a Unix directory), a certificate or key that is no PEM.
  Result<SslPtr> connect(const std::string& host, std::string_view alpn,
                         const Credential* client_certificate) const;

  [[nodiscard]] const TlsPolicy& policy() const { return policy_; }

 private:
  struct ContextDeleter {
    void operator()(SSL_CTX* context) const { SSL_CTX_free(context); }
  };

  explicit TlsContext(TlsPolicy policy) : policy_(std::move(policy)) {}
  Result<void> load(const FileOpener& outside);
  Result<void> load_trust(const FileOpener& outside);
  Result<void> load_client_certificate(const FileOpener& outside);
  Result<void> expect_name(SSL* ssl, const std::string& name) const;
  Result<void> expect_identity(SSL* ssl) const;

  TlsPolicy policy_;
  std::optional<TlsIdentity> identity_;
  std::unique_ptr<SSL_CTX, ContextDeleter> context_;
};

/// What is known once SSL_do_handshake has returned 1. `peer_verified` is true only under verify_full.
///
/// server_end_point is RFC 5929 tls-server-end-point: the DER hashed with the hash of the certificate's
/// own signature (SHA-256 in place of MD5 and SHA-1); empty for signatures that name no hash (Ed25519).
TlsFacts facts_of(SSL* ssl, const TlsContext& context);

}  // namespace sallyport::net
