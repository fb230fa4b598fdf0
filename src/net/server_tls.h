// TLS towards clients: one context per route and reading of its files, one SSL per connection, and what a finished
// handshake proved.
//
// A context is immutable and shared. No session is ever resumed (no tickets, no cache): a resumed one would skip the
// check of the certificate, and its revocation. The caller owns the socket and the deadline.
#pragma once

#include "base/clock.h"
#include "base/file_opener.h"
#include "base/result.h"
#include "net/ssl_handle.h"
#include "policy/client_certificate.h"
#include "policy/client_tls.h"

#include <openssl/ssl.h>

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace sallyport::net {

/// Of PostgreSQL, registered with IANA; a client may name it, and has to when TLS comes first (direct TLS).
inline constexpr std::string_view postgresql_alpn = "postgresql";

class ServerTls {
 public:
  /// Reads certificate, key, CA and revocation lists once. `outside` opens what the sandbox keeps from us.
  /// Errors  bad_config: a file is missing, may be written by others (base/trusted_file.h), holds not what it
  ///         should, is a key that others may read, or the key is another certificate's. `where` names the file.
  static Result<std::shared_ptr<const ServerTls>> from_files(const ClientTlsPolicy& policy,
                                                             const FileOpener& outside = nullptr);

  /// A certificate and key that were made by ourselves; clients are asked for none.
  static Result<std::shared_ptr<const ServerTls>> from_memory(std::string_view certificate_pem,
                                                              EVP_PKEY* key);

  /// An SSL in accept state without a file descriptor. `direct`: the client began with TLS, so it has to name our
  /// protocol by ALPN (RFC 7301), or a web page could make a browser talk to us (ALPACA).
  [[nodiscard]] Result<SslHandle> accept(bool direct) const;

  /// RFC 5929 tls-server-end-point of our certificate, for SCRAM-SHA-256-PLUS; empty: it has none.
  [[nodiscard]] const std::vector<std::uint8_t>& end_point() const { return end_point_; }
  [[nodiscard]] const ClientTlsPolicy& policy() const { return policy_; }

 private:
  struct ContextDeleter {
    void operator()(SSL_CTX* context) const { SSL_CTX_free(context); }
  };

  explicit ServerTls(ClientTlsPolicy policy) : policy_(std::move(policy)) {}
  Result<void> set_up();
  Result<void> use_certificate(std::string_view pem, const std::string& where);
  Result<void> use_key(EVP_PKEY* key, const std::string& where);
  Result<void> trust_clients(const FileOpener& outside);

  ClientTlsPolicy policy_;
  std::unique_ptr<SSL_CTX, ContextDeleter> context_;
  std::vector<std::uint8_t> end_point_;
};

/// What a handshake with a client proved.
struct ClientTlsFacts {
  std::string protocol;  ///< "TLSv1.3"
  std::string cipher;
  std::shared_ptr<const policy::ClientCertificate> certificate;  ///< verified; null: the client showed none
  std::vector<std::uint8_t> end_point;                           ///< of our certificate
};

/// Once SSL_do_handshake has returned 1.
ClientTlsFacts client_facts_of(SSL* ssl, const ServerTls& context);

/// Why a handshake with a client failed. Call at once after it; takes the thread's OpenSSL error queue and errno.
///
/// Codes  denied: the client's certificate is not acceptable, or it does not trust ours.  invalid_message: no TLS.
///        peer_unsupported: no common version, cipher or protocol.  cancelled: the client went away.
/// hop = identity, where = "client TLS".
Error explain_client_handshake(SSL* ssl, const ServerTls& context, WallTime now);

}  // namespace sallyport::net
