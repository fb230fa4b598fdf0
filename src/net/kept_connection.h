// The connection that the requests of one conversation share.
//
// A source asks a secret manager several things in a row (its own token, the engine, the secret), and a TLS handshake
// costs more than any of the answers. What is kept ends with the conversation (or with its last request, when one that was
// given up on still runs on a lane), so neither a key nor a reply outlives it.
#pragma once

#include "net/tls_verify.h"

#include <curl/curl.h>

#include <memory>
#include <mutex>
#include <string>

namespace sallyport::net {

/// Nothing more is taken from the server: libcurl reads once more when it closes, and a server that kept sending would hold
/// whoever closes.
struct EasyFree {
  void operator()(CURL* easy) const;
};

/// Whom a connection leads to, what has been checked of it and shown to it.
struct HttpPeer {
  std::string server;  ///< SCHEME://HOST:PORT
  std::string ca_file;
  std::string authorities;
  std::string client_certificate;

  bool operator==(const HttpPeer&) const = default;
};

/// libcurl's handle, with one connection in it at most.
struct HttpHandle {
  HttpPeer peer;
  HandshakeNotes notes;  ///< the connection's SSL_CTX points at it: declared before `easy`, which ends first
  std::unique_ptr<CURL, EasyFree> easy;  ///< without options between two requests
};

/// Thread-safe: a request that was given up on and still runs on its lane has taken the handle with it, and the next one
/// gets another.
class KeptConnection {
 public:
  /// The kept handle when it leads to `peer`, and nothing has come from there since; else a new one, whose `easy` is null
  /// when memory is out. After load_http_library().
  std::unique_ptr<HttpHandle> take(HttpPeer peer);
  void give_back(std::unique_ptr<HttpHandle> handle);

 private:
  std::mutex mutex_;
  std::unique_ptr<HttpHandle> idle_;
};

}  // namespace sallyport::net
