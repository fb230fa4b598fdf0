// What Vault keeps of a connection, a role or a static role, in its own words: a path, and fields with values.
//
// Comparing and writing are then the same for all three: each field is looked for in Vault's answer, and those that
// differ are shown and sent. What Vault never shows (a connection's password) is no field.
#pragma once

#include "secrets/json.h"
#include "secrets/vault/engine/wanted.h"

#include <string>
#include <variant>
#include <vector>

namespace sallyport::secrets::vault::engine {

enum class Kind { connection, role, static_role };

/// "connection", "role", "static role".
std::string_view name_of(Kind kind);

struct Field {
  using Value = std::variant<std::string, std::int64_t, std::vector<std::string>>;
  std::string name;
  Value wanted;
  bool any_order = false;  ///< of a list
  bool seconds = false;    ///< of a number
  bool operator==(const Field&) const = default;
};

struct Object {
  Kind kind = Kind::connection;
  std::string name;
  std::string path;  ///< "database/roles/app-rw", behind /v1/
  std::vector<Field> fields;
  std::string password_from;  ///< of a connection: the reference
  bool verify = true;         ///< of a connection: Vault logs in there when it is written
};

/// Connections, then roles, then static roles: the order in which they can be written.
std::vector<Object> objects_of(const Wanted& wanted);

/// ".../config", ".../roles" or ".../static-roles" of the mount.
std::string folder_of(const std::string& mount, Kind kind);

const Field* find_field(const Object& object, std::string_view name);

}  // namespace sallyport::secrets::vault::engine
