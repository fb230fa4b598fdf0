#include "cli/child_environment.h"

#include "cli/known_authority.h"

#include <unistd.h>

#include <algorithm>
#include <fstream>

namespace sallyport::cli {

namespace {

bool can_read(const std::string& path) { return !path.empty() && access(path.c_str(), R_OK) == 0; }

std::string dmi_text(const char* name) {
  std::ifstream file{std::string{"/sys/class/dmi/id/"} + name};
  std::string line;
  std::getline(file, line);
  return line;
}

DmiTexts read_dmi() {
  return {dmi_text("sys_vendor"), dmi_text("product_name"), dmi_text("board_vendor"),
          dmi_text("chassis_asset_tag")};
}

}  // namespace

void ChildEnvironment::prepare(const std::vector<Door>& doors) {
  for (const auto& target : request_.targets) {
    for (const auto& name : authority_of(target).variables) drop(name);
  }
  for (std::size_t i = 0; i < request_.targets.size(); ++i) set_variable(request_.targets[i], doors[i]);
  // Whatever number of targets: what libpq would take a password or another server from.
  for (const char* name : {"PGPASSWORD", "PGPASSFILE", "PGSERVICE", "PGREQUIREAUTH", "PGCHANNELBINDING"}) {
    environment_.remove(name);
  }
  if (request_.targets.size() == 1) set_libpq_variables(request_.targets.front(), doors.front());
}

secrets::Authority ChildEnvironment::authority_of(const ExecTarget& target) const {
  const auto reference = target.reference();
  if (!reference) return {};
  const auto* source = sources_.find(reference->scheme);
  return source == nullptr ? secrets::Authority{} : source->authority_for(*reference);
}

void ChildEnvironment::drop(const std::string& name) {
  if (!request_.keep_environment.contains(name)) environment_.remove(name);
}

void ChildEnvironment::set_variable(const ExecTarget& target, const Door& door) {
  dsn::LocalTarget local;
  local.dialect = target.dialect;
  local.endpoint = door.endpoint;
  local.user = target.shown_user;
  local.database = target.target.databases.empty() ? "" : target.target.databases.front();
  local.tls = tls_of(target, door);
  if (door.token.empty()) {
    const auto text = dsn::render(local);
    if (text) environment_.set(target.variable, *text);
  } else {
    const auto text = dsn::render_with_token(local, door.token);
    if (text) environment_.set(target.variable, *text);
  }
}

std::optional<dsn::LocalTls> ChildEnvironment::tls_of(const ExecTarget& target, const Door& door) const {
  if (door.authority_file.empty() || target.demanded_tls.empty()) return std::nullopt;
  return dsn::LocalTls{target.demanded_tls, door.authority_file};
}

void ChildEnvironment::set_libpq_variables(const ExecTarget& target, const Door& door) {
  // Whoever is told by PGSSLMODE to insist on TLS goes on doing so.
  const auto mode = target.demanded_tls.empty() ? environment_.plain("PGSSLMODE") : target.demanded_tls;
  for (const char* name :
       {"PGHOSTADDR", "PGSSLMODE", "PGSSLNEGOTIATION", "PGSSLROOTCERT", "PGSSLCERT", "PGSSLKEY"}) {
    environment_.remove(name);
  }
  environment_.set("PGUSER", target.shown_user);
  if (!target.target.databases.empty()) environment_.set("PGDATABASE", target.target.databases.front());
  if (const auto* local = std::get_if<dsn::LocalUnix>(&door.endpoint)) {
    environment_.set("PGHOST", local->directory);
    environment_.set("PGPORT", std::to_string(local->port));
  } else {
    const auto& tcp = std::get<dsn::LocalTcp>(door.endpoint);
    environment_.set("PGHOST", tcp.address);
    environment_.set("PGPORT", std::to_string(tcp.port));
    if (dsn::insists_on_tls(mode) && !door.authority_file.empty()) {
      environment_.set("PGSSLMODE", mode);
      environment_.set("PGSSLROOTCERT", door.authority_file);
    } else {
      environment_.set("PGSSLMODE", "disable");
    }
    environment_.set("PGPASSWORD", door.token);
    // Who takes our port after we die asks for no proof; libpq 16 and later then sends no query (threat 7).
    environment_.set("PGREQUIREAUTH", "scram-sha-256");
  }
}

std::string ChildEnvironment::path_of(const std::string& file) const {
  if (file.starts_with("~/")) return environment_.home() + file.substr(1);
  if (!file.starts_with('$')) return file;
  const auto end = std::min(file.find('/'), file.size());
  const auto value = environment_.plain(file.substr(1, end - 1));
  return value.empty() ? std::string{} : value + file.substr(end);
}

std::set<std::string> ChildEnvironment::authority_left() const {
  std::set<std::string> found;
  std::set<std::string> taken_away;
  for (const auto& target : request_.targets) {
    const auto authority = authority_of(target);
    for (const auto& name : authority.variables) {
      if (!request_.keep_environment.contains(name)) {
        taken_away.insert(name);
      } else if (environment_.has(name)) {
        found.insert("$" + name);
      }
    }
    for (const auto& file : authority.files) {
      const auto path = path_of(file);
      if (can_read(path)) found.insert(path);
    }
  }
  const auto has = [&](const std::string& name) {
    const auto value = environment_.secret(name);
    return value && !value->empty() && !taken_away.contains(name);
  };
  const auto plain = [this](const std::string& name) { return environment_.plain(name); };
  found.merge(known_authority({has, plain, can_read, environment_.home(), read_dmi()}));
  return found;
}

Result<void> ChildEnvironment::say_authority(Logger& logger) const {
  std::string left;
  for (const auto& each : authority_left()) left += (left.empty() ? "" : ", ") + each;
  if (left.empty()) return {};
  if (request_.strict) {
    return Error{
        ErrorCode::denied,
        Hop::child,
        "--strict",
        "the child runs as the same user and could get secrets by itself, from " + left,
        "Run sallyport serve under another user, or take these away (env -u NAME for a variable); or, if "
        "that is no matter here, leave --strict out",
        {}};
  }
  logger.write(LogLevel::warning, "the child runs as the same user and could get secrets by itself",
               {{"from", left}, {"to_prevent_it", "sallyport serve under another user"}});
  return {};
}

}  // namespace sallyport::cli
