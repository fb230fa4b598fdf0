// From a checked tree to typed values. What needs more than one key at a time is checked here.
#pragma once

#include "config/config.h"
#include "config/problems.h"

#include <functional>
#include <optional>

namespace sallyport::config {

/// A program that rules name, and what stands in it.
struct Program {
  policy::ExecutableId id;
  std::string sha256;  ///< hex
  bool script = false;
};

/// What reading asks of the machine, as values, so that tests and the fuzzer answer for it.
struct Surroundings {
  WallTime now;
  std::function<std::optional<std::uint32_t>(const std::string&)> uid_of;  ///< nullopt: no such user
  std::function<std::optional<std::uint32_t>(const std::string&)> gid_of;
  /// Of a file that the configuration names (CA, CRL, certificate, key, program). Null: not looked at.
  std::function<Result<void>(const std::string&)> check_file;
  /// One that is read at load (passwords, time zones), checked likewise; the second argument is the most bytes. Null:
  /// not read, and what stands in it admits nobody.
  std::function<Result<std::string>(const std::string&, std::size_t)> read_file = {};
  /// A program as it is now. Null: not looked at, and no process is known to run it.
  std::function<Result<Program>(const std::string&)> look_at_program = {};
  /// Whether others than root and we may read it. Null: not looked at.
  std::function<bool(const std::string&)> others_read = {};
};

/// A route with the positions that checks across routes name.
struct ReadRoute {
  Route route;
  Position listen_at;
};

Target read_target(const Entry& entry, const Surroundings& around, Problems& problems);
/// `map`: the target as written. Fills endpoints, session_attributes and load_balance.
void read_hosts(const Node& map, Target& target, Problems& problems);
Admin read_admin(const Node& node, const Surroundings& around, Problems& problems);
TlsPolicy read_tls(const Node& node, const Surroundings& around, Problems& problems);
/// `routes[].tls` of a route whose `listen` has been read; none: there is no such key.
std::optional<ClientTlsPolicy> read_client_tls(const Node& route_node, const Route& route,
                                               const Surroundings& around, Problems& problems);
/// What `listen`, `tls` and one rule of `allow` have to do with each other.
void check_rule_with_tls(const Node& rule_node, const AllowRule& rule, const Route& route,
                         Problems& problems);
/// The listener of "ADDRESS:PORT"; none after a report.
std::optional<TcpListen> read_tcp_listen(const Node& node, std::string_view text, Problems& problems);
/// Reports a file that somebody else could have written.
void check_named_file(const std::string& path, const Node& node, const Surroundings& around,
                      Problems& problems);
/// `targets_node`: the map of targets as written, so that a route to a target with a mistake is not one more.
ReadRoute read_route(const Node& node, const Config& config, const Node* targets_node,
                     const Surroundings& around, Problems& problems);

/// What a rule asks for beside the process: local password, address, hours; and its limits. Passwords go to `route`.
void read_rule_conditions(const Node& node, Route& route, AllowRule& rule, const Surroundings& around,
                          Problems& problems);
/// What the route asks of everybody, and its limits.
void read_route_conditions(const Node& node, Route& route, const Surroundings& around, Problems& problems);

/// A directory in which a socket DIR/.s.PGSQL.PORT still fits into sockaddr_un (107 bytes).
bool socket_fits(std::string_view directory, std::uint16_t port);

/// Warnings of rules that can never decide anything, or give somebody more roles than one by accident.
void compare_rules(const Route& route, const std::vector<Position>& at, Problems& problems);

/// parse() of config.h with the machine's answers handed in.
boost::system::result<Config, std::vector<Error>> parse_with(std::string_view yaml, std::string_view file,
                                                             const Surroundings& around);

// ---- Conversions of nodes that the table has checked -------------------------------------------

/// The value below `key`, or null when it is absent or wrong.
const Node* good(const Node& map, std::string_view key);
/// Its text, or `fallback`.
std::string text_of(const Node& map, std::string_view key, std::string_view fallback = {});
/// One value or the elements of a list; wrong elements left out.
std::vector<const Node*> scalars_of(const Node& map, std::string_view key);

}  // namespace sallyport::config
