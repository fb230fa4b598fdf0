#include "secrets/aws/sigv4.h"

#include "base/ascii.h"
#include "crypto/hash.h"
#include "dsn/percent.h"
#include "secrets/time_text.h"

#include <algorithm>
#include <array>
#include <initializer_list>
#include <map>
#include <vector>

namespace sallyport::secrets::aws {

namespace {

constexpr std::string_view algorithm = "AWS4-HMAC-SHA256";

/// Headers that a proxy or the HTTP client may change or take away: never signed (botocore's list).
constexpr std::array<std::string_view, 14> unsigned_headers{"authorization",
                                                            "baggage",
                                                            "connection",
                                                            "expect",
                                                            "keep-alive",
                                                            "proxy-authenticate",
                                                            "te",
                                                            "traceparent",
                                                            "tracestate",
                                                            "trailer",
                                                            "upgrade",
                                                            "proxy-authorization",
                                                            "user-agent",
                                                            "x-amzn-trace-id"};

struct Url {
  std::string_view authority;
  std::string_view path;
  std::string_view query;
};

void append(WipedBytes& out, std::string_view text) { out.insert(out.end(), text.begin(), text.end()); }

std::string joined(std::initializer_list<std::string_view> pieces) {
  std::string out;
  for (const auto piece : pieces) out += piece;
  return out;
}

/// The authority without the scheme's default port, as HTTP clients send it in Host.
Url split(std::string_view url) {
  Url out;
  std::string_view default_port;
  if (url.starts_with("https://")) default_port = ":443";
  if (url.starts_with("http://")) default_port = ":80";
  if (const auto scheme = url.find("://"); scheme != std::string_view::npos) url.remove_prefix(scheme + 3);
  url = url.substr(0, url.find('#'));
  const auto end = std::min(url.find_first_of("/?"), url.size());
  out.authority = url.substr(0, end);
  if (!default_port.empty() && out.authority.ends_with(default_port))
    out.authority.remove_suffix(default_port.size());
  url.remove_prefix(end);
  const auto question = std::min(url.find('?'), url.size());
  out.path = url.substr(0, question);
  if (question < url.size()) out.query = url.substr(question + 1);
  return out;
}

/// RFC 3986 5.2.4 and, as AWS's services do, no empty segments.
std::string normalised(std::string_view path) {
  if (path.empty()) return "/";
  std::vector<std::string_view> kept;
  for (std::string_view rest = path; !rest.empty();) {
    const auto slash = std::min(rest.find('/'), rest.size());
    const auto segment = rest.substr(0, slash);
    rest.remove_prefix(std::min(slash + 1, rest.size()));
    if (segment.empty() || segment == ".") continue;
    if (segment != "..") {
      kept.push_back(segment);
    } else if (!kept.empty()) {
      kept.pop_back();
    }
  }
  std::string out;
  for (const auto segment : kept) out.append("/").append(segment);
  if (kept.empty() || path.ends_with('/')) out += '/';
  return out;
}

/// Parameters sorted by name, then value, both encoded; what is encoded already stays.
void append_query(WipedBytes& out, std::string_view query) {
  std::vector<std::pair<WipedBytes, WipedBytes>> parameters;
  while (!query.empty()) {
    const auto end = std::min(query.find('&'), query.size());
    const auto pair = query.substr(0, end);
    query.remove_prefix(std::min(end + 1, query.size()));
    const auto equals = std::min(pair.find('='), pair.size());
    auto& [name, value] = parameters.emplace_back();
    dsn::percent_encode_secret(name, pair.substr(0, equals), "%");
    if (equals < pair.size()) dsn::percent_encode_secret(value, pair.substr(equals + 1), "%");
  }
  std::sort(parameters.begin(), parameters.end());
  bool first = true;
  for (const auto& [name, value] : parameters) {
    if (!first) out.push_back('&');
    first = false;
    out.insert(out.end(), name.begin(), name.end());
    out.push_back('=');
    out.insert(out.end(), value.begin(), value.end());
  }
}

/// White space at both ends left out, in between one space.
void append_trimmed(WipedBytes& out, std::string_view value) {
  constexpr std::string_view white = " \t\r\n\v\f";
  bool first = true;
  for (;;) {
    const auto start = value.find_first_not_of(white);
    if (start == std::string_view::npos) return;
    value.remove_prefix(start);
    const auto end = std::min(value.find_first_of(white), value.size());
    if (!first) out.push_back(' ');
    first = false;
    append(out, value.substr(0, end));
    value.remove_prefix(end);
  }
}

/// Lower-case name to all its values, joined by commas in their order.
using SignedHeaders = std::map<std::string, WipedBytes>;

SignedHeaders headers_to_sign(const HttpRequest& request) {
  SignedHeaders out;
  for (const auto& header : request.headers) {
    auto name = to_lower(header.name);
    if (std::find(unsigned_headers.begin(), unsigned_headers.end(), name) != unsigned_headers.end()) continue;
    auto [at, fresh] = out.try_emplace(std::move(name));
    if (!fresh) at->second.push_back(',');
    append_trimmed(at->second, header.value.reveal());
  }
  if (auto [at, fresh] = out.try_emplace("host"); fresh) append(at->second, split(request.url).authority);
  return out;
}

std::string names_of(const SignedHeaders& headers) {
  std::string out;
  for (const auto& [name, value] : headers) {
    if (!out.empty()) out += ';';
    out += name;
  }
  return out;
}

WipedBytes canonical(std::string_view method, const Url& url, const SignedHeaders& headers, Bytes body) {
  WipedBytes out;
  append(out, method);
  out.push_back('\n');
  dsn::percent_encode_secret(out, normalised(url.path), "/");
  out.push_back('\n');
  append_query(out, url.query);
  out.push_back('\n');
  for (const auto& [name, value] : headers) {
    append(out, name);
    out.push_back(':');
    out.insert(out.end(), value.begin(), value.end());
    out.push_back('\n');
  }
  out.push_back('\n');
  append(out, names_of(headers));
  out.push_back('\n');
  append(out, crypto::hex(crypto::sha256(body)));
  return out;
}

std::string scope_text(const Scope& scope) {
  return format_basic(scope.time).substr(0, 8) + "/" + scope.region + "/" + scope.service + "/aws4_request";
}

/// "AWS4" + secret, date, region, service, "aws4_request": one HMAC after the other.
std::string signature(const Keys& keys, const Scope& scope, const std::string& text) {
  WipedBytes first;
  append(first, "AWS4");
  append(first, keys.secret_access_key.reveal());
  auto key = crypto::hmac_sha256(first, as_bytes(format_basic(scope.time).substr(0, 8)));
  for (const std::string_view piece :
       {std::string_view{scope.region}, std::string_view{scope.service}, std::string_view{"aws4_request"}}) {
    key = crypto::hmac_sha256(key, as_bytes(piece));
  }
  const auto mac = crypto::hmac_sha256(key, as_bytes(text));
  wipe_memory(key.data(), key.size());
  return crypto::hex(mac);
}

void replace_header(HttpRequest& request, std::string_view name, Secret value) {
  const auto wanted = to_lower(name);
  std::erase_if(request.headers, [&](const HttpHeader& header) { return to_lower(header.name) == wanted; });
  request.headers.push_back({std::string{name}, std::move(value)});
}

}  // namespace

std::string uri_encode(std::string_view text, bool keep_slash) {
  WipedBytes out;
  dsn::percent_encode_secret(out, text, keep_slash ? "/" : "");
  return std::string{as_text(out)};
}

WipedBytes canonical_request(const HttpRequest& request) {
  return canonical(request.method, split(request.url), headers_to_sign(request),
                   as_bytes(request.body.reveal()));
}

std::string string_to_sign(Bytes canonical, const Scope& scope) {
  return joined({algorithm, "\n", format_basic(scope.time), "\n", scope_text(scope), "\n",
                 crypto::hex(crypto::sha256(canonical))});
}

void sign(HttpRequest& request, const Keys& keys, const Scope& scope) {
  replace_header(request, "X-Amz-Date", Secret::copy_of(format_basic(scope.time)));
  if (!keys.session_token.empty()) {
    replace_header(request, "X-Amz-Security-Token", keys.session_token.clone());
  }
  const auto text = string_to_sign(canonical_request(request), scope);
  replace_header(
      request, "Authorization",
      Secret::copy_of(joined({algorithm, " Credential=", keys.access_key_id, "/", scope_text(scope),
                              ", SignedHeaders=", names_of(headers_to_sign(request)),
                              ", Signature=", signature(keys, scope, text)})));
}

Secret presign(std::string_view method, std::string_view url, const Keys& keys, const Scope& scope,
               std::chrono::seconds life) {
  WipedBytes out;
  append(out, url);
  const auto parameter = [&](std::string_view name, std::string_view value) {
    const bool first = as_text(out).find('?') == std::string_view::npos;
    if (first) out.push_back('?');
    if (!first && !as_text(out).ends_with('?')) out.push_back('&');
    append(out, name);
    out.push_back('=');
    dsn::percent_encode_secret(out, value, "");
  };
  parameter("X-Amz-Algorithm", algorithm);
  parameter("X-Amz-Credential", keys.access_key_id + "/" + scope_text(scope));
  parameter("X-Amz-Date", format_basic(scope.time));
  parameter("X-Amz-Expires", std::to_string(life.count()));
  parameter("X-Amz-SignedHeaders", "host");
  if (!keys.session_token.empty()) parameter("X-Amz-Security-Token", keys.session_token.reveal());

  const auto parts = split(as_text(out));
  SignedHeaders headers;
  append(headers["host"], parts.authority);
  const auto text = string_to_sign(canonical(method, parts, headers, {}), scope);
  parameter("X-Amz-Signature", signature(keys, scope, text));
  return Secret::copy_of(Bytes{out});
}

}  // namespace sallyport::secrets::aws
