// Why a TLS handshake failed, in words that a person can act on.
//
// OpenSSL says "certificate verify failed"; what helps is which certificate, which name, which date,
// which file, and what to do. This is the one place that knows.
#pragma once

#include "base/clock.h"
#include "base/error.h"
#include "policy/tls_policy.h"

#include <openssl/ssl.h>

#include <string>

namespace sallyport::net {

/// Call at once after SSL_do_handshake (or the first SSL_read: under TLS 1.3 a server refuses a client's
/// certificate only then) failed for good; takes the thread's OpenSSL error queue and errno with it.
///
/// Codes  denied: the server's certificate is not acceptable, or the server refused ours.
///        bad_config: ours to mend (no client certificate, a CA file with the wrong kind of certificate).
///        peer_unsupported: no common version or cipher, or no TLS at all on that port.
///        retry_later: the peer closed or reset the connection.
/// hop = tls, where = host.
Error explain_handshake_failure(SSL* ssl, const TlsPolicy& policy, const std::string& host, Moment now);

/// The part about certificates, for others who verify with OpenSSL (the HTTP client).
struct CertificateProblem {
  long verify_result = X509_V_OK;  ///< X509_V_ERR_…
  int depth = 0;                   ///< of `certificate` in the chain; 0 is the server's own
  X509* certificate = nullptr;     ///< the one complained about; may be null
  X509* leaf = nullptr;            ///< the server's own; may be null
  std::string name;                ///< what it should have been for
  std::string roots;               ///< "FILE" or "the system's store"
  std::string roots_setting;       ///< what to change, in the hint: "tls.roots (sslrootcert= in a reference)"
  std::string crl_file;
};
Error explain_certificate(const CertificateProblem& problem, WallTime now);

/// The names a certificate is for, as people write them: "a.example, *.b.example, 10.0.0.1"; at most
/// `names_max`, then ", …". Falls back on the common name. Hostile bytes are replaced.
std::string names_of(X509* certificate, std::size_t names_max = 4);

}  // namespace sallyport::net
