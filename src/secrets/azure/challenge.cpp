#include "secrets/azure/challenge.h"

#include "base/ascii.h"
#include "secrets/azure/clouds.h"
#include "secrets/azure/endpoint.h"

#include <algorithm>

namespace sallyport::secrets::azure {

namespace {

constexpr std::size_t header_bytes_max = 4096;

Error misbehaved(std::string what) {
  return {ErrorCode::peer_misbehaved,
          Hop::secret_source,
          {},
          std::move(what),
          "Check the vault's name, and that no proxy answers in its place",
          {}};
}

std::string_view trimmed(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  return text;
}

/// The value of a parameter, without its quotes; empty: absent. Values have neither commas nor quotes inside.
std::string parameter(std::string_view text, std::string_view name) {
  while (!text.empty()) {
    const auto comma = std::min(text.find(','), text.size());
    const auto one = trimmed(text.substr(0, comma));
    text.remove_prefix(std::min(comma + 1, text.size()));
    const auto equals = one.find('=');
    if (equals == std::string_view::npos || to_lower(trimmed(one.substr(0, equals))) != name) continue;
    auto value = trimmed(one.substr(equals + 1));
    if (value.size() >= 2 && value.starts_with('"') && value.ends_with('"'))
      value = value.substr(1, value.size() - 2);
    return std::string{value};
  }
  return {};
}

/// A GUID or a domain; it is shown.
std::string tenant_of(std::string_view authorization) {
  const auto endpoint = parse_endpoint(authorization);
  if (!endpoint || endpoint->path.size() < 2) return {};
  auto tenant = endpoint->path.substr(1);
  tenant.resize(std::min(tenant.find('/'), tenant.size()));
  const bool plain = std::all_of(tenant.begin(), tenant.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '.';
  });
  return plain && tenant.size() <= 64 ? tenant : std::string{};
}

}  // namespace

Result<Challenge> read_challenge(std::string_view header, std::string_view vault_host, bool named) {
  constexpr std::string_view scheme = "bearer ";
  if (header.size() > header_bytes_max || to_lower(header.substr(0, scheme.size())) != scheme)
    return misbehaved("it asks for a token without the challenge of a vault (WWW-Authenticate: Bearer …)");
  const auto parameters = header.substr(scheme.size());
  auto resource = parameter(parameters, "resource");
  if (resource.empty()) resource = parameter(parameters, "scope");
  constexpr std::string_view suffix = "/.default";
  if (resource.ends_with(suffix)) resource.resize(resource.size() - suffix.size());
  while (resource.ends_with('/')) resource.pop_back();
  const auto audience = parse_endpoint(resource);
  if (!audience || !audience->https || !audience->path.empty())
    return misbehaved("its challenge names no resource that a token could be for");
  const bool fits = is_below(vault_host, audience->host) || (named && is_vault_audience(audience->host));
  if (!fits) {
    return misbehaved("its challenge asks for a token of " + audience->host + ", and the vault's host " +
                      std::string{vault_host} + " is not below that: no token is sent");
  }
  auto authorization = parameter(parameters, "authorization");
  if (authorization.empty()) authorization = parameter(parameters, "authorization_uri");
  return Challenge{resource + "/.default", tenant_of(authorization)};
}

}  // namespace sallyport::secrets::azure
