// A certificate for one run of `exec`: an authority of its own, whose key is forgotten at once, and a certificate for
// this machine's loopback. For applications that insist on TLS even to a local port.
#pragma once

#include "base/clock.h"
#include "base/result.h"
#include "net/tls_material.h"

#include <string>

namespace sallyport::net {

struct RunCertificate {
  std::string authority_pem;    ///< what a client has to trust
  std::string certificate_pem;  ///< for localhost, 127.0.0.1 and ::1
  KeyPtr key;                   ///< ECDSA P-256; leaves memory never
};

/// Errors  internal, hop tls.
Result<RunCertificate> make_run_certificate(WallTime now);

}  // namespace sallyport::net
