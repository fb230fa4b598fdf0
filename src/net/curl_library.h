// libcurl, loaded when the first request is made.
//
// It brings two dozen libraries with it (Kerberos, LDAP, SSH, …), whose loading takes longer than everything else that most
// commands do: `token` with local keys, `exec` with a file's password or `audit` never speak HTTP and do not wait for it.
#pragma once

#include <curl/curl.h>

namespace sallyport::net {

/// What we use of it, under its own names without `curl_`; see there.
struct CurlLibrary {
  decltype(&curl_easy_init) easy_init;
  decltype(&curl_easy_setopt) easy_setopt;
  decltype(&curl_easy_perform) easy_perform;
  decltype(&curl_easy_getinfo) easy_getinfo;
  decltype(&curl_easy_reset) easy_reset;
  decltype(&curl_easy_cleanup) easy_cleanup;
  decltype(&curl_easy_strerror) easy_strerror;
  decltype(&curl_slist_append) slist_append;
  decltype(&curl_slist_free_all) slist_free_all;
  decltype(&curl_url) url;
  decltype(&curl_url_set) url_set;
  decltype(&curl_url_get) url_get;
  decltype(&curl_url_cleanup) url_cleanup;
  decltype(&curl_free) free;
};

/// The one of this process. Thread-safe, after load_http_library() (net/http.h) has succeeded.
const CurlLibrary& curl();

}  // namespace sallyport::net
