// One connection, one role, one static role: nothing about them is unwise.
#pragma once

#include "secrets/vault/engine/statements.h"

namespace sallyport::secrets::vault::engine {

inline Wanted sample() {
  Wanted out;
  Connection connection;
  connection.name = "production";
  connection.plugin = "postgresql-database-plugin";
  connection.connection_url = "postgresql://{{username}}:{{password}}@db:5432/app?sslmode=verify-full";
  connection.username = "vault_admin";
  connection.auth = "file:/run/admin";
  connection.allowed_roles = {"app", "fixed"};
  out.connections["production"] = connection;
  DynamicRole role;
  role.name = "app";
  role.connection = "production";
  role.grants = Grants::read;
  role.owner = "app_owner";
  role.schemas = {"public"};
  complete_statements(role, Database::postgresql);
  out.roles["app"] = role;
  out.static_roles["fixed"] = {"fixed", "production", "reporting", 3'600, {}};
  return out;
}

}  // namespace sallyport::secrets::vault::engine
