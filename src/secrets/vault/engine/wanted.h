// How Vault's database engine shall be set up: what a file for `sallyport vault` says, with nothing left to guess.
//
// Typed values only. What they become in Vault's own words is in object.h; the SQL that a preset stands for is in
// statements.h; what is unwise about them is in advice.h.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace sallyport::secrets::vault::engine {

enum class Database { postgresql, mysql };

/// What a role's users may do, for those who do not write SQL.
enum class Grants {
  none,   ///< `member_of`, or statements of one's own
  read,   ///< rows of all tables, those made later included
  write,  ///< and change them
  owner,  ///< act as the owner role: tables they make are its own
};

/// How Vault itself logs in at a database.
struct Connection {
  std::string name;
  Database database = Database::postgresql;
  std::string plugin;
  std::string connection_url;  ///< with {{username}} and {{password}}, so never with a password
  std::string username;
  std::string auth;  ///< a reference to that user's password
  std::vector<std::string> allowed_roles;
  bool verify = true;
  std::string password_authentication;  ///< empty: not said
  std::string username_template;        ///< likewise
  std::string tls_ca;                   ///< likewise; PEM
  std::optional<std::int64_t> open_connections_max;
  std::optional<std::int64_t> idle_connections_max;
  std::optional<std::int64_t> connection_seconds_max;
};

/// A kind of users that are made for a lease.
struct DynamicRole {
  std::string name;
  std::string connection;
  Grants grants = Grants::none;
  std::string owner;                   ///< PostgreSQL: who owns what the application makes
  std::vector<std::string> schemas;    ///< PostgreSQL
  std::vector<std::string> databases;  ///< MySQL
  std::vector<std::string> member_of;  ///< PostgreSQL
  std::vector<std::string> creation;
  std::vector<std::string> revocation;
  std::vector<std::string> renew;
  std::vector<std::string> rollback;
  std::int64_t default_seconds = 3'600;
  std::int64_t seconds_max = 86'400;  ///< 0: the engine's own limit
};

/// A user that exists and whose password Vault changes.
struct StaticRole {
  std::string name;
  std::string connection;
  std::string username;
  std::int64_t rotation_seconds = 86'400;
  std::vector<std::string> rotation;  ///< empty: the plugin's own
};

struct Wanted {
  std::string mount = "database";
  std::map<std::string, Connection> connections;
  std::map<std::string, DynamicRole> roles;
  std::map<std::string, StaticRole> static_roles;
};

}  // namespace sallyport::secrets::vault::engine
