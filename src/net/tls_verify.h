// Remembers, per SSL, what a verification complained about and whether the server asked for a client
// certificate: OpenSSL forgets both once a handshake has failed, and the message needs them.
#pragma once

#include <openssl/ssl.h>

#include <memory>

namespace sallyport::net {

struct X509Free {
  void operator()(X509* certificate) const { X509_free(certificate); }
};
using X509Ptr = std::unique_ptr<X509, X509Free>;

struct HandshakeNotes {
  long verify_result = X509_V_OK;  ///< of the failure; X509_V_OK: verification did not fail
  int depth = 0;
  X509Ptr certificate;  ///< the one complained about
  X509Ptr leaf;         ///< the server's own
  bool client_certificate_asked_for = false;
};

/// Makes every SSL of this context take notes. Verification itself stays OpenSSL's.
void take_notes(SSL_CTX* context);

/// Of verification only: for a server, whose certificate callback means something else. The chain that was found is
/// not kept, as a server has thousands of them.
void take_leaf_notes(SSL_CTX* context);

/// The same into `notes`, which outlives the context: for connections whose SSL is not ours (libcurl's).
void take_notes(SSL_CTX* context, HandshakeNotes& notes);

/// Of the last handshake on `ssl`; null when there was nothing to note.
const HandshakeNotes* notes_of(const SSL* ssl);

}  // namespace sallyport::net
