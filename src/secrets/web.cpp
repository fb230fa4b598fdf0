#include "secrets/web.h"

#include "base/limits.h"
#include "secrets/time_text.h"

#include <algorithm>
#include <charconv>

namespace sallyport::secrets {

namespace {

constexpr auto skew_end = std::chrono::hours{24};

std::optional<std::int64_t> whole_number(std::string_view text) {
  std::int64_t value = 0;
  const auto [stop, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (text.empty() || error != std::errc{} || stop != text.data() + text.size() || value < 0) {
    return std::nullopt;
  }
  return std::min<std::int64_t>(value, 1'000'000'000);
}

std::optional<Duration> wanted_wait(const WebReply& reply) {
  for (const auto* name : {"retry-after-ms", "x-ms-retry-after-ms"}) {
    if (const auto value = whole_number(reply.header(name))) return std::chrono::milliseconds{*value};
  }
  const auto text = reply.header("retry-after");
  if (const auto value = whole_number(text)) return std::chrono::seconds{*value};
  const auto date = parse_http_date(text);
  if (!date) return std::nullopt;
  return std::max<Duration>(*date - reply.received.wall, Duration::zero());
}

/// Half to all of what is due: nobody waits zero, and a fleet does not come back at once.
Duration jittered(const Inquiry& ask, const RetryRule& rule, int tried) {
  const auto at = static_cast<std::size_t>(tried) * 2 % (ask.random().size() - 1);
  const unsigned random = ask.random()[at] * 256U + ask.random()[at + 1];
  if (rule.wait) return std::min(rule.wait(tried, random / 65'536.0), rule.cap);
  Duration most = rule.first;
  for (int i = 1; i < tried && most < rule.cap; ++i) most *= 2;
  most = std::min(most, rule.cap);
  return most / 2 + most / 2 * random / 65'536;
}

bool is_passing(ErrorCode code) {
  return code == ErrorCode::retry_later || code == ErrorCode::timed_out || code == ErrorCode::peer_misbehaved;
}

Result<WebReply> reply_of(const HttpReply& http, Moment now, const std::string& where,
                          const std::string& host) {
  if (http.body.size() > limits::secret_reply_bytes_max) {
    return Error{
        ErrorCode::limit_exceeded, Hop::secret_source, where, host + ": a reply longer than 1 MiB", {}, {}};
  }
  if (http.status >= 300 && http.status < 400) {
    WebReply reply{http.status, &http, std::nullopt, now};
    const auto leads = host_of_url(reply.header("location"));
    return Error{ErrorCode::peer_misbehaved,
                 Hop::secret_source,
                 where,
                 host + " redirects (status " + std::to_string(http.status) + ")" +
                     (leads.empty() ? "" : " to " + leads) + ", and no secret follows a redirect",
                 "Check the endpoint's address, and whether a proxy or a login page answers in its place",
                 {}};
  }
  WebReply reply{http.status, &http, std::nullopt, now};
  if (!http.body.empty()) {
    auto json = Json::parse(http.body.reveal(), where);
    if (json) {
      reply.json.emplace(std::move(*json));
    } else if (json.error().code == ErrorCode::limit_exceeded) {
      auto error = std::move(json).error();
      error.what = host + " answered " + error.what;
      return error;
    }
  }
  return reply;
}

}  // namespace

std::string_view WebReply::header(std::string_view name) const {
  for (const auto& [key, value] : http->headers) {
    if (key == name) return value;
  }
  return {};
}

Result<WebReply> ask_web(Inquiry& ask, const std::function<HttpRequest(Moment)>& make, const RetryRule& rule,
                         const std::string& where) {
  for (int tried = 1;; ++tried) {
    auto request = make(ask.now());
    const auto host = host_of_url(request.url);
    auto answer = ask.http(std::move(request));
    const bool last = tried >= rule.tries;
    if (!answer) {
      auto error = std::move(answer).error();
      if (!last && rule.lost_connections && is_passing(error.code)) {
        ask.wait(jittered(ask, rule, tried));
        continue;
      }
      error.what = host + ": " + error.what;
      error.hop = Hop::secret_source;
      error.where = where;
      return error;
    }
    auto reply = reply_of(**answer, ask.now(), where, host);
    if (!reply || last) return reply;
    const bool retried =
        std::find(rule.statuses.begin(), rule.statuses.end(), reply->status) != rule.statuses.end();
    if (!retried && !(rule.also && rule.also(*reply))) return reply;
    const auto wanted = wanted_wait(*reply);
    if (wanted && *wanted > Duration{web_retry_after_max}) return reply;
    ask.wait(std::max(wanted.value_or(Duration::zero()), jittered(ask, rule, tried)));
  }
}

Secret joined(std::initializer_list<std::string_view> pieces) {
  std::size_t size = 0;
  for (const auto piece : pieces) size += piece.size();
  auto out = Secret::of_size(size);
  auto* at = out.writable().data();
  for (const auto piece : pieces) at = std::ranges::copy(as_bytes(piece), at).out;
  return out;
}

HttpHeader web_header(std::string_view name, std::string_view value) {
  return {std::string{name}, Secret::copy_of(value)};
}

std::string host_of_url(std::string_view url) {
  const auto scheme = url.find("://");
  if (scheme == std::string_view::npos) return {};
  url.remove_prefix(scheme + 3);
  url = url.substr(0, url.find_first_of("/?#"));
  if (const auto at = url.rfind('@'); at != std::string_view::npos) url.remove_prefix(at + 1);
  std::string host;
  for (const char c : url.substr(0, 255)) {
    const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                       c == '-' || c == '.' || c == ':' || c == '[' || c == ']';
    host.push_back(plain ? c : '?');
  }
  return host;
}

std::optional<Duration> clock_difference(const WebReply& reply) {
  const auto date = parse_http_date(reply.header("date"));
  if (!date) return std::nullopt;
  return *date - reply.received.wall;
}

std::optional<Duration> skew_of(const WebReply& reply) {
  const auto difference = clock_difference(reply);
  const bool counts = difference && *difference < Duration{skew_end} && *difference > -Duration{skew_end};
  return counts ? difference : std::nullopt;
}

std::string shown_code(std::string_view code) {
  const bool plain = std::all_of(code.begin(), code.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '_' || c == '.';
  });
  return plain && code.size() <= 64 ? std::string{code} : std::string{};
}

}  // namespace sallyport::secrets
