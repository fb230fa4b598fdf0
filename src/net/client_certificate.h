// What a client's certificate says of its owner, read out of a certificate that OpenSSL has verified.
#pragma once

#include "policy/client_certificate.h"

#include <openssl/x509.h>

namespace sallyport::net {

/// Names that are not what they should be (zero bytes, no host name) are left out; nothing is guessed.
///
/// spiffe_id  as the X.509-SVID standard, "Leaf Validation": exactly one URI name, a SPIFFE ID with a path, not an
///            authority's certificate, a key that may sign handshakes and neither certificates nor lists.
/// Source     RFC 5280, "Subject Alternative Name"; RFC 4514; SPIFFE X.509-SVID.
policy::ClientCertificate decode_client_certificate(X509* certificate);

}  // namespace sallyport::net
