// An owned SSL of OpenSSL's.
#pragma once

#include <openssl/ssl.h>

#include <memory>

namespace sallyport::net {

struct SslFree {
  void operator()(SSL* ssl) const { SSL_free(ssl); }
};
using SslHandle = std::unique_ptr<SSL, SslFree>;

}  // namespace sallyport::net
