// One request to a cloud's HTTP interface with its retries, as a question of an Inquiry.
//
// Retried is what the rule names: lost connections, statuses, and what a service says in its body (throttling). Waits
// are jittered, doubled and capped; Retry-After (seconds or a date, also in milliseconds) is kept to as long as it is no
// longer than a fetch may take. A redirect is an error that names the host: no token follows one.
#pragma once

#include "secrets/inquiry.h"
#include "secrets/json.h"

#include <functional>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace sallyport::secrets {

struct WebReply {
  int status = 0;
  const HttpReply* http = nullptr;  ///< until the step ends
  std::optional<Json> json;         ///< none when the body is none
  Moment received{};

  [[nodiscard]] bool success() const { return status >= 200 && status < 300; }
  [[nodiscard]] JsonView root() const { return json ? json->root() : JsonView{}; }
  /// The first header of that name (lower case); empty when absent.
  [[nodiscard]] std::string_view header(std::string_view name) const;
};

struct RetryRule {
  int tries = 3;
  Duration first = std::chrono::seconds{1};  ///< the longest first wait; doubled each time
  Duration cap = std::chrono::seconds{20};
  std::vector<int> statuses = {429, 500, 502, 503, 504};
  bool lost_connections = true;
  /// Another wait than half to all of `first` doubled: `tried` counts from 1, `random` is in [0, 1).
  std::function<Duration(int tried, double random)> wait = nullptr;
  /// What else says "later", in the body for example.
  std::function<bool(const WebReply&)> also = nullptr;
};

/// Waits longer than that are not made: the caller's own back-off is better at it.
inline constexpr auto web_retry_after_max = std::chrono::seconds{20};

/// `make` builds the request anew for each try: signatures and tokens hold a time.
///
/// Errors  of the transport, with `where` and the request's host named; peer_misbehaved: a redirect, which is not
///         followed; limit_exceeded: the body. Any other status is a reply.
Result<WebReply> ask_web(Inquiry& ask, const std::function<HttpRequest(Moment)>& make, const RetryRule& rule,
                         const std::string& where);

/// The pieces one after the other, and nowhere else; "Bearer " and a token, for example.
Secret joined(std::initializer_list<std::string_view> pieces);

HttpHeader web_header(std::string_view name, std::string_view value);

/// "host:port" of a URL for texts; nothing of its path or query.
std::string host_of_url(std::string_view url);

/// How far the server's clock is ahead of ours, by its Date header: a second of doubt. For texts.
std::optional<Duration> clock_difference(const WebReply& reply);

/// The same where it may be counted with: less than a day. More is no clock's, and would date what we sign, and keep what
/// has expired.
std::optional<Duration> skew_of(const WebReply& reply);

/// A short code of a service ("AccessDenied", "invalid_grant") that may be shown: letters, digits and `._-` only, at
/// most 64; else empty.
std::string shown_code(std::string_view code);

}  // namespace sallyport::secrets
