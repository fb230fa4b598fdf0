#include "secrets/vault/engine/object.h"

#include <algorithm>

namespace sallyport::secrets::vault::engine {

namespace {

Object object_of(const std::string& mount, const Connection& connection) {
  Object out{
      Kind::connection, connection.name,  folder_of(mount, Kind::connection) + "/" + connection.name, {},
      connection.auth,  connection.verify};
  out.fields = {{"plugin_name", connection.plugin},
                {"connection_url", connection.connection_url},
                {"username", connection.username}};
  for (const auto& [name, text] : {std::pair{"password_authentication", &connection.password_authentication},
                                   std::pair{"username_template", &connection.username_template},
                                   std::pair{"tls_ca", &connection.tls_ca}}) {
    if (!text->empty()) out.fields.push_back({name, *text});
  }
  if (const auto& most = connection.open_connections_max)
    out.fields.push_back({"max_open_connections", *most});
  if (const auto& most = connection.idle_connections_max)
    out.fields.push_back({"max_idle_connections", *most});
  if (const auto& most = connection.connection_seconds_max)
    out.fields.push_back({"max_connection_lifetime", std::to_string(*most) + "s"});
  out.fields.push_back({"allowed_roles", connection.allowed_roles, true});
  return out;
}

Object object_of(const std::string& mount, const DynamicRole& role) {
  Object out{Kind::role, role.name, folder_of(mount, Kind::role) + "/" + role.name, {}, {}};
  out.fields = {{"db_name", role.connection},
                {"creation_statements", role.creation},
                {"revocation_statements", role.revocation},
                {"renew_statements", role.renew},
                {"rollback_statements", role.rollback},
                {"default_ttl", role.default_seconds, false, true},
                {"max_ttl", role.seconds_max, false, true}};
  return out;
}

Object object_of(const std::string& mount, const StaticRole& role) {
  Object out{Kind::static_role, role.name, folder_of(mount, Kind::static_role) + "/" + role.name, {}, {}};
  out.fields = {{"db_name", role.connection},
                {"username", role.username},
                {"rotation_period", role.rotation_seconds, false, true},
                {"rotation_statements", role.rotation}};
  return out;
}

}  // namespace

std::string_view name_of(Kind kind) {
  switch (kind) {
    case Kind::connection: return "connection";
    case Kind::role: return "role";
    case Kind::static_role: return "static role";
  }
  return {};
}

std::string folder_of(const std::string& mount, Kind kind) {
  switch (kind) {
    case Kind::connection: return mount + "/config";
    case Kind::role: return mount + "/roles";
    case Kind::static_role: return mount + "/static-roles";
  }
  return {};
}

std::vector<Object> objects_of(const Wanted& wanted) {
  std::vector<Object> out;
  for (const auto& [name, connection] : wanted.connections)
    out.push_back(object_of(wanted.mount, connection));
  for (const auto& [name, role] : wanted.roles) out.push_back(object_of(wanted.mount, role));
  for (const auto& [name, role] : wanted.static_roles) out.push_back(object_of(wanted.mount, role));
  return out;
}

const Field* find_field(const Object& object, std::string_view name) {
  const auto found = std::ranges::find(object.fields, name, &Field::name);
  return found == object.fields.end() ? nullptr : &*found;
}

}  // namespace sallyport::secrets::vault::engine
