// libcurl, loaded when the first request is made.
//
// It brings two dozen libraries with it (Kerberos, LDAP, SSH, …), whose loading takes longer than everything else that most
// commands do: `token` with local keys, `exec` with a file's password or `audit` never speak HTTP and do not wait for it.
#pragma once

#include "base/result.h"

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

/// The one of this process, started with memory functions that wipe what they free (kept_memory). Thread-safe; whoever
/// comes first loads it, and it stays.
///
/// Errors  internal: it is not there, is not what we were built for, or did not start.
const Result<CurlLibrary>& curl_library();

/// After curl_library() has succeeded.
const CurlLibrary& curl();

}  // namespace sallyport::net
