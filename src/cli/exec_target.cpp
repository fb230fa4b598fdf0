#include "cli/exec_target.h"

#include "config/values.h"

#include <algorithm>
#include <charconv>

namespace sallyport::cli {

namespace {

// One application, as many connections as it would open directly; a configured target says its own number.
constexpr int connections_max = 100;

Error wrong(const std::string& variable, std::string what, std::string hint) {
  return {ErrorCode::bad_config, Hop::reference, variable, std::move(what), std::move(hint), {}};
}

// Takes an attribute out: what is left belongs to the source.
std::string take(secrets::Reference& reference, const std::string& name) {
  const auto found = reference.attributes.find(name);
  if (found == reference.attributes.end()) return {};
  auto value = std::move(found->second);
  reference.attributes.erase(found);
  return value;
}

std::vector<std::string> split(const std::string& list) {
  std::vector<std::string> parts;
  for (std::size_t at = 0; at < list.size();) {
    const auto comma = std::min(list.find(',', at), list.size());
    if (comma > at) parts.push_back(list.substr(at, comma - at));
    at = comma + 1;
  }
  return parts;
}

Result<std::uint16_t> parse_port(const std::string& variable, const std::string& text) {
  std::uint16_t port = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), port);
  if (error != std::errc{} || end != text.data() + text.size() || port == 0) {
    return wrong(variable, "port=" + text + " is no port", "Write port=5432 (1 to 65535)");
  }
  return port;
}

Result<void> read_tls(const std::string& variable, secrets::Reference& reference, TlsPolicy& tls,
                      WallTime now) {
  if (const auto mode = take(reference, "sslmode"); !mode.empty()) {
    auto parsed = parse_tls_mode(mode);
    if (!parsed) return parsed.error();
    tls.mode = *parsed;
  }
  if (auto roots = take(reference, "sslrootcert"); !roots.empty()) tls.roots = {std::move(roots)};
  tls.crl_file = take(reference, "sslcrl");
  tls.client_certificate_file = take(reference, "sslcert");
  tls.client_key_file = take(reference, "sslkey");
  tls.server_name = take(reference, "server_name");
  tls.weaker_reason = take(reference, "tls_reason");
  tls.weaker_until = take(reference, "tls_until");
  if (auto checked = check(tls, now); !checked) {
    auto error = checked.error();
    if (error.where.empty()) error.where = variable;
    return error;
  }
  return {};
}

// As libpq: one port for all hosts, or one for each; and a host may say its own, as in a URL.
Result<void> read_hosts(const std::string& variable, secrets::Reference& reference, Target& target) {
  const auto hosts = split(take(reference, "host"));
  const auto ports = split(take(reference, "port"));
  if (const auto wanted = take(reference, "target_session_attrs"); !wanted.empty()) {
    const auto parsed = parse_session_attributes(wanted);
    if (!parsed) {
      return wrong(variable, "target_session_attrs=" + wanted + " is unknown",
                   "Known are any, read-write, read-only, primary, standby and prefer-standby");
    }
    target.session_attributes = *parsed;
  }
  if (const auto balance = take(reference, "load_balance_hosts"); !balance.empty()) {
    if (balance != "disable" && balance != "random") {
      return wrong(variable, "load_balance_hosts=" + balance + " is unknown", "Write disable or random");
    }
    target.load_balance = balance == "random" ? LoadBalance::random : LoadBalance::off;
  }
  if (hosts.empty() && !ports.empty()) {
    return wrong(variable, "port is given without host",
                 "Add host=db.example.com, or look for a misspelt host=");
  }
  if (hosts.size() > target_hosts_max)
    return wrong(variable, "host names more than " + std::to_string(target_hosts_max) + " hosts",
                 "Keep those that matter");
  if (ports.size() > 1 && ports.size() != hosts.size()) {
    return wrong(variable, "the number of ports is not the number of hosts",
                 "Give one port, or one for each host");
  }
  for (std::size_t i = 0; i < hosts.size(); ++i) {
    std::uint16_t port = Endpoint{}.port;
    if (!ports.empty()) {
      const auto parsed = parse_port(variable, ports[ports.size() == 1 ? 0 : i]);
      if (!parsed) return parsed.error();
      port = *parsed;
    }
    auto endpoint = parse_endpoint(hosts[i], port);
    if (!endpoint) return wrong(variable, "host: " + endpoint.error().what, endpoint.error().hint);
    target.endpoints.push_back(std::move(*endpoint));
  }
  return {};
}

std::string last_part(const std::string& path) { return path.substr(path.rfind('/') + 1); }

/// Other secrets may name their host; these never do. A Cloud SQL instance is an address by itself.
bool names_no_host(const secrets::Reference& reference) {
  const auto holds = [&](const char* part) { return reference.locator.find(part) != std::string::npos; };
  if (reference.scheme == "vault") return holds("/creds/") || holds("/static-creds/");
  if (reference.scheme == "gcp-cloudsql-iam") return !reference.attributes.contains("instance");
  return reference.scheme == "aws-rds-iam" || reference.scheme == "azure-entra";
}

}  // namespace

Result<ExecTarget> target_from_reference(const std::string& variable, const secrets::Reference& given,
                                         WallTime now) {
  auto reference = given;
  ExecTarget made;
  made.variable = variable;
  auto& target = made.target;
  target.name = variable;
  target.pool.max = connections_max;

  const auto engine = take(reference, "engine");
  if (!engine.empty() && engine != "postgresql" && engine != "postgres") {
    return wrong(variable, "engine=" + engine + " is not in this version", "Write engine=postgresql");
  }
  if (const auto hosts = read_hosts(variable, reference, target); !hosts) return hosts.error();
  if (target.endpoints.empty() && names_no_host(reference))
    return wrong(variable, "host is missing", "Add host=db.example.com");
  if (auto database = take(reference, "dbname"); !database.empty())
    target.databases.push_back(std::move(database));
  if (const auto tls = read_tls(variable, reference, target.tls, now); !tls) return tls.error();

  Role role;
  role.name = made.role;
  role.user = take(reference, "user");
  role.run_as = take(reference, "run_as");
  role.login_methods = split(take(reference, "login_methods"));
  role.login_reason = take(reference, "login_reason");
  for (const auto& method : role.login_methods) {
    if (method != "password" && method != "md5") {
      return wrong(variable, "login_methods=" + method + " is unknown",
                   "Known are password and md5; SCRAM needs no mention");
    }
  }
  if (!role.login_methods.empty() && role.login_reason.empty()) {
    return wrong(variable, "login_methods needs a reason", "Add login_reason=…");
  }
  if (const auto dialect = take(reference, "dialect"); !dialect.empty()) {
    const auto known = dsn::dialect_of(dialect + "://");
    if (!known)
      return wrong(
          variable, "dialect=" + dialect + " is unknown",
          "Write the scheme of the application's own URL: postgresql, jdbc:postgresql, postgresql+psycopg, "
          "postgresql+asyncpg, pgx, … (docs/exec.md has all)");
    made.dialect = *known;
  }
  role.auth = secrets::to_string(reference);
  made.shown_user = !role.user.empty() ? role.user : !role.run_as.empty() ? role.run_as : "";
  if (made.shown_user.empty() && reference.scheme == "vault") made.shown_user = last_part(reference.locator);
  if (made.shown_user.empty()) made.shown_user = "app";
  target.roles.emplace(role.name, std::move(role));
  return made;
}

Result<ExecTarget> target_from_config(const std::string& variable, const config::Config& config,
                                      const std::string& name, const std::string& role_name) {
  const auto found = config.targets.find(name);
  if (found == config.targets.end()) {
    std::string known;
    for (const auto& [target_name, target] : config.targets)
      known += (known.empty() ? "" : ", ") + target_name;
    return Error{ErrorCode::bad_config,
                 Hop::config,
                 config.file,
                 "has no target \"" + name + "\"",
                 known.empty() ? "Add it under targets:" : "Its targets are: " + known,
                 {}};
  }
  ExecTarget made;
  made.variable = variable;
  made.target = found->second;
  made.target.name = variable;
  auto role = made.target.roles.begin();
  if (!role_name.empty()) role = made.target.roles.find(role_name);
  if (role == made.target.roles.end() || (role_name.empty() && made.target.roles.size() > 1)) {
    std::string known;
    for (const auto& [one, unused] : made.target.roles) known += (known.empty() ? "" : ", ") + one;
    return Error{ErrorCode::bad_config,
                 Hop::config,
                 name,
                 role_name.empty() ? "has several roles" : "has no role \"" + role_name + "\"",
                 "Choose one with --role: " + known,
                 {}};
  }
  made.role = role->first;
  made.shown_user = !role->second.user.empty() ? role->second.user : role->first;
  // The child has one role; the others are not opened.
  auto only = role->second;
  made.target.roles.clear();
  made.target.roles.emplace(made.role, std::move(only));
  return made;
}

Result<ExecTarget> target_from_text(const std::string& variable, const std::string& text,
                                    const std::optional<config::Config>& config, const std::string& role,
                                    WallTime now) {
  if (secrets::looks_like_reference(text)) {
    const auto reference = secrets::parse_reference(text);
    if (!reference) return reference.error();
    return target_from_reference(variable, *reference, now);
  }
  if (!config::is_name(text)) {  // no connection string is one
    const auto near = secrets::nearest_scheme(text);
    return Error{ErrorCode::bad_config,
                 Hop::none,
                 variable,
                 "is neither a reference nor the name of a target (not shown: it may hold a password)",
                 near.empty() ? "Put the password where only Sallyport reads it and write a reference, e.g. "
                                "file:/run/secrets/db?host=…&dbname=…&user=…"
                              : "Did you mean " + std::string{near} + ":?",
                 {}};
  }
  if (config) return target_from_config(variable, *config, text, role);
  return Error{ErrorCode::bad_config,
               Hop::none,
               variable,
               "\"" + text + "\" is no reference, and there is no configuration that could have this target",
               "Write a reference (vault:…, file:/…), or name the file with -c sallyport.yaml",
               {}};
}

Error about_argument(Error error, const std::string& variable, const char* argument) {
  if (error.where == variable) error.where = argument;
  return error;
}

Result<void> check_role(const std::string& role, const std::vector<std::string>& texts) {
  if (role.empty() || !std::all_of(texts.begin(), texts.end(), secrets::looks_like_reference)) return {};
  return wrong("--role", "has no meaning for a reference, which names one role itself",
               "Leave --role out, or name a target of -c FILE");
}

Result<secrets::Reference> ExecTarget::reference() const {
  return secrets::parse_reference(target.roles.at(role).auth);
}

}  // namespace sallyport::cli
