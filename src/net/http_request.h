// What libcurl is given for one request, checked first: internal to the HTTP client.
#pragma once

#include "base/conversation.h"
#include "base/result.h"
#include "net/curl_library.h"

#include <memory>
#include <string>

namespace sallyport::net {

/// A handle that is given its options. Each of them has to be taken: a request without one of them may go to the wrong server.
struct Options {
  CURL* easy;
  CURLcode refused = CURLE_OK;  ///< why, of the last one that was not taken
};

template <class T>
void set(Options& options, CURLoption option, T value) {
  if (const auto code = curl().easy_setopt(options.easy, option, value); code != CURLE_OK)
    options.refused = code;
}

/// libcurl copies each header line; ours are wiped before it frees them, whoever gave it its free.
struct HeaderListFree {
  void operator()(curl_slist* list) const;
};
using HeaderList = std::unique_ptr<curl_slist, HeaderListFree>;

struct Url {
  std::string scheme;
  std::string host;  ///< without brackets
  std::string port;
};

/// The first step of a request: libcurl is loaded here.
///
/// Errors  internal: it cannot be (load_http_library); bad_config: no URL, credentials in it, another scheme than https (or http where that is allowed).
Result<Url> parse_url(const HttpRequest& request);

/// Loopback or link-local by its spelling: never asked of a proxy.
bool is_local(const Url& url);

/// A header name or a method.
bool is_token(const std::string& name);

/// Errors  bad_config: a name or value that could end the line and begin another.
Result<HeaderList> headers_of(const HttpRequest& request);

/// For CURLOPT_RESOLVE: libcurl then looks nothing up, and the errors of looking up are ours. Empty for a
/// literal.
Result<HeaderList> resolve_for(const Url& url);

/// Authorities (a file, or given) and a client certificate; `request` outlives the use of `easy`.
void set_material(Options& easy, const HttpRequest& request);

}  // namespace sallyport::net
