// One request of the HTTP client while libcurl carries it: internal to the client.
#pragma once

#include "base/conversation.h"
#include "net/http_error.h"
#include "net/http_request.h"

#include <curl/curl.h>

namespace sallyport::net {

/// libcurl's callbacks write here.
struct Exchange {
  const Url& url;
  HandshakeNotes& notes;  ///< lives as long as the connection
  bool plain = false;
  bool name_is_ours_to_check = true;
  bool sent_again = false;  ///< libcurl wanted to, as a kept connection had been closed; it was not let
  HttpFailure failure;
  HttpReply reply;
  std::size_t body_size = 0;
  std::size_t header_bytes = 0;

  /// False: more than a reply may be long.
  bool make_room(std::size_t wanted);
};

/// What libcurl tells of the request goes into `exchange`, which outlives the use of `easy`.
void set_callbacks(Options& easy, Exchange& exchange);

}  // namespace sallyport::net
