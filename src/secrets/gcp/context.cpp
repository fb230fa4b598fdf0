#include "secrets/gcp/context.h"

#include "base/ascii.h"
#include "secrets/literal_host.h"

#include <algorithm>

namespace sallyport::secrets::gcp {

namespace {

constexpr std::size_t url_bytes_max = 2048;
constexpr Duration request_deadline = std::chrono::seconds{10};

/// Nothing that could be read in two ways; no user in front of the host.
bool is_plain(std::string_view url) {
  const auto authority = url.substr(0, url.find_first_of("/?#", url.find("://") + 3));
  return authority.find('@') == std::string_view::npos && std::ranges::all_of(url, [](char c) {
           return c > ' ' && c < 0x7f && std::string_view{"\"<>\\^`{|}"}.find(c) == std::string_view::npos;
         });
}

}  // namespace

Error fault(const Context& context, ErrorCode code, std::string what, std::string hint) {
  return {code, Hop::secret_source, context.where, std::move(what), std::move(hint), {}};
}

Error moved(const Context& context, Error error, std::string_view doing) {
  const bool named = !error.where.empty() && error.where != context.where;
  std::string what{doing};
  if (!what.empty()) what += ": ";
  if (named) what += error.where + " ";
  error.what = what + error.what;
  error.where = context.where;
  error.hop = Hop::secret_source;
  return error;
}

Result<HttpRequest> request_to(Inquiry& ask, const Context& context, std::string_view method,
                               std::string_view url, const std::string& named_by) {
  const bool https = url.starts_with("https://");
  const bool http = url.starts_with("http://");
  const auto host = host_of_url(url);
  if (!(https || http) || host.empty() || url.size() > url_bytes_max || !is_plain(url)) {
    return fault(context, ErrorCode::bad_config, named_by + " is no address", "Write https://HOST[:PORT]/…");
  }
  if (http && !is_loopback_literal(split_authority(host).host)) {
    return fault(context, ErrorCode::bad_config,
                 named_by + " is plain http to " + host + ", which would send secrets in clear",
                 "Write https://");
  }
  if (http && context.insecure_reason.empty()) {
    return fault(context, ErrorCode::bad_config, named_by + " is plain http to " + host,
                 "Write https://, or say why that is right here: ?insecure_reason=…");
  }
  HttpRequest request;
  request.method = method;
  request.url = url;
  request.plain_http_allowed = http;
  request.deadline = request_deadline;
  auto roots = ask.text("CLOUDSDK_CORE_CUSTOM_CA_CERTS_FILE");
  if (!roots) return std::move(roots).error();
  if (https) request.ca_file = *roots;
  return request;
}

HttpRequest copy_of(const HttpRequest& request) {
  HttpRequest out;
  out.method = request.method;
  out.url = request.url;
  for (const auto& header : request.headers) out.headers.push_back({header.name, header.value.clone()});
  out.body = request.body.clone();
  out.ca_file = request.ca_file;
  out.authorities = request.authorities;
  out.client_certificate = request.client_certificate;
  out.client_key = request.client_key.clone();
  out.plain_http_allowed = request.plain_http_allowed;
  out.deadline = request.deadline;
  return out;
}

HttpHeader bearer(const Secret& token) { return {"Authorization", joined({"Bearer ", token.reveal()})}; }

RetryRule retry_rule() {
  RetryRule rule;
  rule.statuses = {408, 429, 500, 502, 503, 504};
  return rule;
}

bool is_project(std::string_view text) {
  const auto is_plain = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
  };
  if (text.empty() || text.size() > 128) return false;
  char before = ':';
  for (const char c : text) {
    const bool follows = before != ':' && (c == '-' || c == ':' || (c == '.' && before != '.'));
    if (!is_plain(c) && !follows) return false;
    before = c;
  }
  return before != ':';
}

bool is_domain(std::string_view text) {
  bool label = false;
  for (const char c : text) {
    const bool letter = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
    if (!letter && c != '-' && c != '.') return false;
    if ((c == '.' || c == '-') && !label) return false;
    label = c != '.';
  }
  return label && text.size() <= 253 && text.find('.') != std::string_view::npos;
}

std::string status_code_of(const WebReply& reply) {
  const auto error = reply.root()["error"];
  return shown_code(error.is_object() ? error["status"].text() : error.text());
}

std::string reason_of(const WebReply& reply) {
  for (const auto detail : reply.root()["error"]["details"].elements()) {
    if (auto reason = shown_code(detail["reason"].text()); !reason.empty()) return reason;
  }
  return {};
}

std::string status_text(const WebReply& reply) {
  std::string out = "the status " + std::to_string(reply.status);
  const auto code = status_code_of(reply);
  const auto reason = reason_of(reply);
  if (code.empty() && reason.empty()) return out;
  out += " (" + code;
  if (!reason.empty()) out += (code.empty() ? "" : ", ") + reason;
  return out + ")";
}

ErrorCode code_of_status(int status) {
  if (status == 401 || status == 403) return ErrorCode::denied;
  if (status == 404) return ErrorCode::not_found;
  if (status == 408 || status == 429 || status >= 500) return ErrorCode::retry_later;
  return ErrorCode::peer_misbehaved;
}

std::string clock_note(const WebReply& reply) {
  const auto skew = clock_difference(reply);
  if (!skew || (*skew < std::chrono::minutes{1} && *skew > -std::chrono::minutes{1})) return {};
  const bool ahead = *skew > Duration::zero();
  return "; the server's clock is " + format_duration(ahead ? *skew : -*skew) +
         (ahead ? " ahead of ours" : " behind ours");
}

}  // namespace sallyport::secrets::gcp
