// The HTTP client that carries conversations with secret managers: libcurl with everything that acts
// on its own turned off (redirects, netrc, cookies, other protocols, proxies from the environment).
//
// Verification is always on; there is no switch. Bodies and headers are secrets both ways, so they
// come from and go into Secret, and libcurl's own copies are wiped when it frees them (kept_memory).
#pragma once

#include "base/conversation.h"
#include "base/result.h"

#include <functional>
#include <optional>
#include <string>

namespace sallyport::net {

/// Gives OpenSSL a wiping free. First call in main, before any thread and before anything else uses OpenSSL. A second call
/// does nothing.
///
/// Errors  internal: OpenSSL had already allocated (the call came too late).
Result<void> init_libraries();

/// Loads libcurl, started with memory functions that wipe what they free (kept_memory). The first request does it otherwise;
/// called ahead by whoever gives up the right to open files, or lets others write to where libraries may be looked for. Thread-safe. What
/// is loaded stays; what failed is tried again by the next call.
///
/// Errors  internal: it is not installed, older than 7.85, made for another OpenSSL than ours, or did not start.
Result<void> load_http_library();

struct HttpSettings {
  Secret https_proxy;    ///< URL, may hold a password; empty: none. Used for https only.
  std::string no_proxy;  ///< NO_PROXY's list
  std::string user_agent = "sallyport";
  std::string version;
};

/// HTTPS_PROXY, https_proxy, NO_PROXY, no_proxy by way of `variable` (lower case goes first, as in curl).
HttpSettings http_settings_from(
    const std::function<std::optional<std::string>(const std::string&)>& variable);

class KeptConnection;

class HttpClient {
 public:
  explicit HttpClient(HttpSettings settings = {}) : settings_(std::move(settings)) {}

  /// Blocks for request.deadline at most (plus a name server that does not answer: call it on a lane).
  /// Thread-safe. Any status is a reply, redirects too: the conversation decides.
  ///
  /// Limit   limits::secret_reply_bytes_max for the body, reply_header_bytes_max for the headers.
  /// Errors  hop secret_source, where = "HOST:PORT". The code says whether the request may have been
  ///         executed, which matters for a `creds/` request that makes a lease:
  ///           it was not sent   retry_later (refused, name server down, no connection in time), not_found (no
  ///                             such host), denied (certificate), bad_config (a CA file that others may write, too), peer_unsupported;
  ///                             `where` ends in ", not sent"
  ///           it may have been  timed_out, peer_misbehaved (closed early), invalid_message (no HTTP),
  ///                             limit_exceeded (a reply too large)
  ///           neither           internal (load_http_library)
  Result<HttpReply> perform(const HttpRequest& request) const;

  /// The same over what `kept` holds, when that leads to the same server with the same authorities and was used a second
  /// ago or less; else over a new connection. After a reply `kept` holds it, unless it shows a certificate of ours; after a
  /// failure nothing. A request is not sent again when the server closes the connection under it: that is peer_misbehaved.
  Result<HttpReply> perform(const HttpRequest& request, KeptConnection& kept) const;

 private:
  HttpSettings settings_;
};

/// True when the request behind this error of perform() may have been executed.
bool may_have_been_executed(const Error& error);

inline constexpr std::size_t reply_header_bytes_max = 65'536;
inline constexpr auto http_connect_deadline = std::chrono::seconds{10};

}  // namespace sallyport::net
