// The two forms with a URL's looks: URIs (libpq's grammar) and JDBC URLs (pgjdbc's).
#include "dsn/percent.h"
#include "dsn/postgres_parts.h"

#include <algorithm>

namespace sallyport::dsn {

namespace {

constexpr std::string_view encode_hint = "If the password holds : / ? # or @, write it percent-encoded";

Error not_encoded() {
  return wrong_dsn("a % that two hexadecimal digits do not follow", "Write a percent sign as %25");
}

Result<std::string> decoded_text(std::string_view text) {
  auto out = percent_decode(text);
  if (!out) return not_encoded();
  if (!printable(*out)) return wrong_dsn("a value holds a control character", "Remove it");
  return std::move(*out);
}

/// One `host`, `host:port`, `[v6]` or `[v6]:port`.
Result<HostPort> parse_host(std::string_view text) {
  HostPort out;
  std::string_view port;
  bool has_port = false;
  if (text.starts_with('[')) {
    const auto close = text.find(']');
    if (close == std::string_view::npos)
      return wrong_dsn("a [ without its ] in the host", "Write [::1]:5432");
    out.host = text.substr(1, close - 1);
    const auto rest = text.substr(close + 1);
    if (!rest.empty() && rest.front() != ':')
      return wrong_dsn("text between ] and the port", "Write [::1]:5432");
    has_port = !rest.empty();
    if (has_port) port = rest.substr(1);
  } else {
    const auto colon = text.find(':');
    auto host = decoded_text(text.substr(0, colon));
    if (!host) return std::move(host).error();
    out.host = std::move(*host);
    has_port = colon != std::string_view::npos;
    if (has_port) port = text.substr(colon + 1);
  }
  if (!has_port || port.empty()) return out;  // libpq accepts a colon with nothing behind it
  auto number = parse_port(port);
  if (!number) return std::move(number).error();
  out.port = *number;
  return out;
}

Result<void> parse_hosts(std::string_view text, TargetBuilder& builder) {
  if (text.empty()) return {};
  while (true) {
    const auto comma = text.find(',');
    auto host = parse_host(text.substr(0, comma));
    if (!host) return std::move(host).error();
    if (auto added = builder.add_host(std::move(*host)); !added) return added;
    if (comma == std::string_view::npos) return {};
    text.remove_prefix(comma + 1);
  }
}

/// Java's URLDecoder reads a plus as a space; nobody else here does.
Secret plus_to_space(Secret value) {
  for (auto& byte : value.writable()) {
    if (byte == '+') byte = ' ';
  }
  return value;
}

Result<void> parse_query(std::string_view text, bool java, TargetBuilder& builder) {
  while (!text.empty()) {
    const auto end = std::min(text.find('&'), text.size());
    const auto pair = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    if (pair.empty()) continue;
    const auto equals = pair.find('=');
    if (equals == std::string_view::npos && !java)
      return wrong_dsn("a parameter without =", std::string{encode_hint});
    auto name = decoded_text(pair.substr(0, equals));
    if (!name) return std::move(name).error();
    const auto raw = equals == std::string_view::npos ? std::string_view{} : pair.substr(equals + 1);
    // The plus is replaced before decoding, so that %2B stays a plus.
    auto prepared = java ? plus_to_space(Secret::copy_of(raw)) : Secret::copy_of(raw);
    auto value = percent_decode_secret(prepared.reveal());
    if (!value) return not_encoded();
    if (auto taken = builder.take(*name, meaning_of(*name), std::move(*value)); !taken) return taken;
  }
  return {};
}

Result<void> parse_user_part(std::string_view text, TargetBuilder& builder) {
  const auto colon = text.find(':');
  auto user = decoded_text(text.substr(0, colon));
  if (!user) return std::move(user).error();
  builder.set_user(std::move(*user));
  if (colon == std::string_view::npos) return {};
  auto password = percent_decode_secret(text.substr(colon + 1));
  if (!password) return not_encoded();
  builder.set_password(std::move(*password));
  return {};
}

}  // namespace

Result<PostgresTarget> parse_uri(std::string_view text, Dialect dialect) {
  TargetBuilder builder{dialect};
  text.remove_prefix(dialect.scheme.size() + 3);
  if (text.find('#') != std::string_view::npos) {
    return wrong_dsn("a raw #, at which some drivers end the string", std::string{encode_hint});
  }
  const auto authority_end = std::min(text.find_first_of("/?"), text.size());
  const auto authority = text.substr(0, authority_end);
  auto rest = text.substr(authority_end);
  const auto query_at = std::min(rest.find('?'), rest.size());
  const auto path = rest.substr(0, query_at);
  const auto at = authority.find('@');
  if (path.find('@') != std::string_view::npos ||
      (at != std::string_view::npos && authority.find('@', at + 1) != std::string_view::npos)) {
    return wrong_dsn("more than one @, so that drivers disagree where the host begins",
                     std::string{encode_hint});
  }
  if (at != std::string_view::npos) {
    if (auto done = parse_user_part(authority.substr(0, at), builder); !done) return std::move(done).error();
  }
  const auto hosts = at == std::string_view::npos ? authority : authority.substr(at + 1);
  if (auto done = parse_hosts(hosts, builder); !done) return std::move(done).error();
  auto database = decoded_text(path.empty() ? path : path.substr(1));
  if (!database) return std::move(database).error();
  builder.set_database(std::move(*database));
  if (query_at < rest.size()) {
    if (auto done = parse_query(rest.substr(query_at + 1), false, builder); !done)
      return std::move(done).error();
  }
  return builder.finish();
}

Result<PostgresTarget> parse_jdbc(std::string_view text, Dialect dialect) {
  TargetBuilder builder{dialect};
  text.remove_prefix(dialect.scheme.size() + 1);
  const auto query_at = std::min(text.find('?'), text.size());
  auto place = text.substr(0, query_at);
  if (place.find('@') != std::string_view::npos) {
    return wrong_dsn("an @ before the parameters",
                     "pgjdbc takes the user as a parameter: ?user=…&password=…");
  }
  if (place.starts_with("//")) {
    place.remove_prefix(2);
    const auto slash = place.find('/');
    if (slash == std::string_view::npos) {
      return wrong_dsn("no / behind the host", "Write jdbc:postgresql://host:5432/database");
    }
    if (auto done = parse_hosts(place.substr(0, slash), builder); !done) return std::move(done).error();
    place.remove_prefix(slash + 1);
  } else if (place.starts_with('/')) {
    place.remove_prefix(1);
  }
  auto database = decoded_text(place);
  if (!database) return std::move(database).error();
  builder.set_database(std::move(*database));
  if (query_at < text.size()) {
    if (auto done = parse_query(text.substr(query_at + 1), true, builder); !done)
      return std::move(done).error();
  }
  return builder.finish();
}

}  // namespace sallyport::dsn
