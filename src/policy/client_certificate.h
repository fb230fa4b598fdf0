// What a finished TLS handshake proved about the client: the names in a certificate whose chain, dates and
// revocation were checked. Every field is text from outside, written by the authority that signed it.
#pragma once

#include "base/clock.h"

#include <string>
#include <vector>

namespace sallyport::policy {

struct ClientCertificate {
  /// RFC 4514: "CN=app,O=Example". Empty: the certificate has no subject.
  std::string subject;
  /// DNS names of the subject alternative name, in lower case; neither wildcards nor what is no host name.
  std::vector<std::string> dns_names;
  /// "spiffe://example.org/ns/prod/sa/app"; empty: it is no X.509-SVID.
  std::string spiffe_id;
  /// Why `spiffe_id` is empty although there are URI names: "it has 2 URI names"; empty: there is none.
  std::string why_no_spiffe_id;
  std::string sha256;  ///< lower-case hex of the DER
  WallTime expires_at{};
};

}  // namespace sallyport::policy
