#include "dsn/postgres.h"

#include "dsn/postgres_parts.h"

#include <charconv>

namespace sallyport::dsn {

Error wrong_dsn(std::string what, std::string hint) {
  return {ErrorCode::bad_config, Hop::none, "connection string", std::move(what), std::move(hint), {}};
}

Result<std::uint16_t> parse_port(std::string_view text) {
  unsigned value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (text.empty() || error != std::errc{} || end != text.data() + text.size() || value == 0 ||
      value > 65'535) {
    return wrong_dsn("the port is no number from 1 to 65535",
                     "If the password holds : / ? # or @, write it percent-encoded");
  }
  return static_cast<std::uint16_t>(value);
}

bool printable(std::string_view text) {
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte < 0x20 || byte == 0x7F) return false;
  }
  return true;
}

namespace {

/// Calls `each` for every part between commas, an empty text being one empty part.
template <class Each>
Result<void> for_each_part(std::string_view list, Each each) {
  while (true) {
    const auto comma = list.find(',');
    if (auto done = each(list.substr(0, comma)); !done) return done;
    if (comma == std::string_view::npos) return {};
    list.remove_prefix(comma + 1);
  }
}

}  // namespace

void TargetBuilder::set_password(Secret password) {
  target_.has_password = true;
  target_.password = std::move(password);
}

Result<void> TargetBuilder::add_host(HostPort host) {
  if (target_.hosts.size() == hosts_max) {
    return Error{ErrorCode::limit_exceeded, Hop::none, "connection string", "more than 16 hosts", {}, {}};
  }
  target_.hosts.push_back(std::move(host));
  return {};
}

Result<void> TargetBuilder::take(std::string_view name, Meaning meaning, Secret value) {
  if (meaning == Meaning::password) {
    set_password(std::move(value));
    return {};
  }
  const auto text = value.reveal();
  if (!printable(text)) return wrong_dsn("a value holds a control character", "Remove it");
  switch (meaning) {
    case Meaning::user: target_.user = text; return {};
    case Meaning::database: target_.database = text; return {};
    case Meaning::host: host_list_ = text, has_host_list_ = true; return {};
    case Meaning::port: port_list_ = text, has_port_list_ = true; return {};
    default: break;
  }
  if (target_.parameters.size() == parameters_max) {
    return Error{ErrorCode::limit_exceeded, Hop::none, "connection string",
                 "more than 64 parameters", {},        {}};
  }
  Parameter parameter{std::string{name}, {}, meaning};
  if (meaning != Meaning::secret) parameter.value = text;
  target_.parameters.push_back(std::move(parameter));
  return {};
}

Result<PostgresTarget> TargetBuilder::finish() {
  // libpq keeps hosts and ports apart: `host=` beside an authority replaces its hosts and leaves its ports.
  std::vector<std::uint16_t> ports;
  if (has_host_list_) {
    const bool says_ports =
        target_.hosts.size() > 1 || (target_.hosts.size() == 1 && target_.hosts[0].port != 0);
    if (says_ports && !has_port_list_) {
      for (const auto& host : target_.hosts) ports.push_back(host.port);
    }
    target_.hosts.clear();
    auto added = for_each_part(host_list_, [&](std::string_view host) {
      return add_host({std::string{host}, 0});
    });
    if (!added) return std::move(added).error();
  }
  if (!has_port_list_ && ports.empty()) return std::move(target_);
  if (auto read = read_port_list(ports); !read) return std::move(read).error();
  if (target_.hosts.empty()) target_.hosts.emplace_back();
  if (ports.size() != 1 && ports.size() != target_.hosts.size()) {
    return wrong_dsn("the number of ports is not the number of hosts", "Give one port, or one for each host");
  }
  for (std::size_t i = 0; i < target_.hosts.size(); ++i)
    target_.hosts[i].port = ports.size() == 1 ? ports[0] : ports[i];
  return std::move(target_);
}

Result<void> TargetBuilder::read_port_list(std::vector<std::uint16_t>& ports) {
  if (!has_port_list_) return {};
  return for_each_part(port_list_, [&](std::string_view text) -> Result<void> {
    if (ports.size() == hosts_max)
      return wrong_dsn("more ports than hosts", "Give one port, or one for each host");
    if (text.empty()) {
      ports.push_back(0);
      return {};
    }
    auto port = parse_port(text);
    if (!port) return std::move(port).error();
    ports.push_back(*port);
    return {};
  });
}

Result<PostgresTarget> parse_postgres(std::string_view text) {
  if (text.size() > text_bytes_max) {
    return Error{ErrorCode::limit_exceeded, Hop::none, "connection string",
                 "longer than 16384 bytes", {},        {}};
  }
  if (text.find('\0') != std::string_view::npos) return wrong_dsn("it holds a NUL character", "Remove it");
  auto dialect = dialect_of(text);
  if (!dialect) {
    return wrong_dsn("its beginning is that of no PostgreSQL dialect",
                     "Write postgresql://…, jdbc:postgresql:…, host=… or Host=…;");
  }
  switch (dialect->form) {
    case Form::uri: return parse_uri(text, std::move(*dialect));
    case Form::jdbc: return parse_jdbc(text, std::move(*dialect));
    case Form::keywords: return parse_keywords(text, std::move(*dialect));
    case Form::ado: return parse_ado(text, std::move(*dialect));
  }
  return Error{ErrorCode::internal, Hop::none, "connection string", {}, {}, {}};
}

}  // namespace sallyport::dsn
