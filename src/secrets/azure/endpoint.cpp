#include "secrets/azure/endpoint.h"

#include "base/ascii.h"
#include "secrets/azure/clouds.h"
#include "secrets/literal_host.h"

#include <algorithm>

namespace sallyport::secrets::azure {

namespace {

bool is_host(std::string_view text) {
  if (text.starts_with('[')) {
    return text.size() > 3 && text.ends_with(']') &&
           text.find_first_not_of("0123456789abcdef:.", 1) == text.size() - 1;
  }
  return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '.' || c == '_';
  });
}

}  // namespace

bool Endpoint::is_on_this_machine() const {
  return host == "localhost" || is_loopback_literal(host) || is_link_local_literal(host);
}

std::optional<Endpoint> parse_endpoint(std::string_view url) {
  if (url.size() > 2048 || !std::all_of(url.begin(), url.end(), [](char c) { return c > 0x20 && c < 0x7F; }))
    return std::nullopt;
  if (url.find_first_of("@\\#?%") != std::string_view::npos) return std::nullopt;
  Endpoint out;
  const auto colon = url.find("://");
  if (colon == std::string_view::npos) return std::nullopt;
  const auto scheme = to_lower(url.substr(0, colon));
  if (scheme != "https" && scheme != "http") return std::nullopt;
  out.https = scheme == "https";
  url.remove_prefix(scheme.size() + 3);
  const auto slash = std::min(url.find('/'), url.size());
  out.authority = to_lower(url.substr(0, slash));
  out.path = url.substr(slash);
  if ((out.path + "/").find("/../") != std::string::npos) return std::nullopt;
  const auto [host, port] = split_authority(out.authority);
  out.host = host;
  if (!is_host(out.host) || out.authority.ends_with(':') || (!port.empty() && !is_port(port)))
    return std::nullopt;
  return out;
}

}  // namespace sallyport::secrets::azure
