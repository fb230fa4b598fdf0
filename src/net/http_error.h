// What a failed HTTP request is told as: internal to the HTTP client.
#pragma once

#include "base/clock.h"
#include "base/error.h"
#include "net/tls_verify.h"

#include <curl/curl.h>

#include <string>

namespace sallyport::net {

struct HttpFailure {
  CURLcode code = CURLE_OK;
  std::string text;  ///< libcurl's own words
  long system_error = 0;
  bool sent = false;       ///< the request, or a part of it
  bool connected = false;  ///< TCP stood
  bool proxied = false;    ///< a proxy may have been asked: NO_PROXY has not been looked at
  bool body_too_large = false;
  bool headers_too_large = false;
  bool address_refused = false;  ///< plain http to an address that it is not allowed to
  std::string address;           ///< that one
  Duration deadline{};
  std::string host;
  std::string port;
  std::string ca_file;  ///< the authorities are from; empty: the system's store
  const HandshakeNotes* notes = nullptr;
};

Error explain_http_failure(const HttpFailure& failure, WallTime now);

}  // namespace sallyport::net
