#include "secrets/azure/endpoint.h"

#include "base/ascii.h"
#include "secrets/azure/clouds.h"

#include <algorithm>

namespace sallyport::secrets::azure {

namespace {

/// Four numbers between dots, the first ones being `beginning`; no other notation, of which there are many.
bool is_dotted(std::string_view host, std::string_view beginning) {
  if (!host.starts_with(beginning) || host.size() > 15) return false;
  int dots = 0;
  int digits = 0;
  for (const char c : host) {
    if (c == '.') {
      if (digits == 0) return false;
      ++dots;
      digits = 0;
    } else if (c < '0' || c > '9' || ++digits > 3) {
      return false;
    }
  }
  return dots == 3 && digits > 0;
}

bool is_host(std::string_view text) {
  if (text.starts_with('[')) {
    return text.size() > 3 && text.ends_with(']') &&
           text.find_first_not_of("0123456789abcdef:.", 1) == text.size() - 1;
  }
  return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '.' || c == '_';
  });
}

bool is_port(std::string_view text) {
  return !text.empty() && text.size() <= 5 &&
         std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; });
}

}  // namespace

bool Endpoint::is_loopback_literal() const { return host == "[::1]" || is_dotted(host, "127."); }

bool Endpoint::is_link_local_literal() const { return is_dotted(host, "169.254."); }

bool Endpoint::is_on_this_machine() const {
  return host == "localhost" || is_loopback_literal() || is_link_local_literal();
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
  const std::string_view authority = out.authority;
  const auto end = authority.starts_with('[') ? authority.find(']') : authority.find(':');
  const auto host_end = authority.starts_with('[') && end != std::string_view::npos ? end + 1 : end;
  out.host = authority.substr(0, host_end);
  if (!is_host(out.host)) return std::nullopt;
  const auto rest = authority.substr(out.host.size());
  if (!rest.empty() && (rest.front() != ':' || !is_port(rest.substr(1)))) return std::nullopt;
  return out;
}

}  // namespace sallyport::secrets::azure
