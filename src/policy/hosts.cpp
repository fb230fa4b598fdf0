#include "policy/hosts.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <utility>

namespace sallyport {

namespace {

constexpr std::array<std::pair<std::string_view, SessionAttributes>, 6> names{{
    {"any", SessionAttributes::any},
    {"read-write", SessionAttributes::read_write},
    {"read-only", SessionAttributes::read_only},
    {"primary", SessionAttributes::primary},
    {"standby", SessionAttributes::standby},
    {"prefer-standby", SessionAttributes::prefer_standby},
}};

Error wrong(std::string_view text, const char* what) {
  return {ErrorCode::bad_config,
          Hop::config,
          "host",
          "`" + std::string{text} + "` " + what,
          "Write db.example.com, db.example.com:5433 or [2001:db8::1]:5433",
          {}};
}

std::string because(const char* is, SessionAttributes wanted) {
  return std::string{is} + ", target_session_attrs wants " + std::string{name_of(wanted)};
}

}  // namespace

std::string_view name_of(SessionAttributes wanted) {
  for (const auto& [name, value] : names) {
    if (value == wanted) return name;
  }
  return {};
}

std::optional<SessionAttributes> parse_session_attributes(std::string_view name) {
  for (const auto& [known, value] : names) {
    if (known == name) return value;
  }
  return std::nullopt;
}

bool wants_writes(SessionAttributes wanted) {
  return wanted == SessionAttributes::read_write || wanted == SessionAttributes::primary;
}

std::string unsuited(const ServerKind& server, SessionAttributes wanted) {
  const bool standby = server.standby.value_or(false), read_only = server.read_only.value_or(false);
  switch (wanted) {
    case SessionAttributes::any: return {};
    case SessionAttributes::read_write:
      if (standby) return because("is a standby", wanted);
      return read_only ? because("has default_transaction_read_only on", wanted) : std::string{};
    case SessionAttributes::read_only:
      return standby || read_only ? std::string{} : because("takes writes", wanted);
    case SessionAttributes::primary: return standby ? because("is a standby", wanted) : std::string{};
    case SessionAttributes::standby:
    case SessionAttributes::prefer_standby: return standby ? std::string{} : because("is no standby", wanted);
  }
  return {};
}

bool server_is_unsuited(const ServerKind& server, SessionAttributes wanted) {
  if (wanted == SessionAttributes::read_only && server.read_only.value_or(false)) return false;
  return !unsuited({server.standby, std::nullopt}, wanted).empty();
}

Result<Endpoint> parse_endpoint(std::string_view text, std::uint16_t port) {
  Endpoint endpoint{std::string{text}, port};
  if (text.starts_with('/')) return endpoint;
  std::string_view number;
  if (text.starts_with('[')) {
    const auto close = text.find(']');
    if (close == std::string_view::npos) return wrong(text, "has a [ without its ]");
    endpoint.host = text.substr(1, close - 1);
    if (close + 1 == text.size()) return endpoint;
    if (text[close + 1] != ':') return wrong(text, "has text between ] and the port");
    number = text.substr(close + 2);
  } else {
    // Two colons and more: an IPv6 address, which has a port only in brackets.
    if (std::count(text.begin(), text.end(), ':') != 1) return endpoint;
    const auto colon = text.find(':');
    endpoint.host = text.substr(0, colon);
    number = text.substr(colon + 1);
  }
  const auto [end, error] = std::from_chars(number.data(), number.data() + number.size(), endpoint.port);
  if (number.empty() || error != std::errc{} || end != number.data() + number.size() || endpoint.port == 0)
    return wrong(text, "does not end in a port from 1 to 65535");
  return endpoint;
}

std::string to_string(const Endpoint& endpoint) {
  const auto port = std::to_string(endpoint.port);
  if (endpoint.host.starts_with('/'))
    return endpoint.host + (endpoint.host.back() == '/' ? "" : "/") + ".s.PGSQL." + port;
  if (endpoint.host.find(':') != std::string::npos && !endpoint.host.starts_with('['))
    return "[" + endpoint.host + "]:" + port;
  return endpoint.host + ":" + port;
}

}  // namespace sallyport
