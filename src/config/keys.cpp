// The table of keys. Keep it in the order in which a file is read: docs/configuration.md prints it so.
#include "config/keys.h"

#include <array>

namespace sallyport::config {
namespace {

constexpr std::int64_t second_ms = 1'000;
constexpr std::int64_t minute_ms = 60 * second_ms;
constexpr std::int64_t day_ms = 24 * 60 * minute_ms;

constexpr Key later(std::string_view path, std::string_view meaning) {
  return {.path = path, .since = Since::later, .meaning = meaning};
}

constexpr auto table = std::to_array<Key>({
    {.path = "version",
     .required = true,
     .fallback = "none",
     .meaning = "Version of this file's format: `1`."},

    {.path = "targets",
     .shape = Shape::named_map,
     .fallback = "none",
     .meaning = "The databases, each under a name of your choice."},
    {.path = "targets.*",
     .shape = Shape::map,
     .fallback = "none",
     .meaning = "One target: a database service and who one may be there."},
    {.path = "targets.*.engine",
     .kind = Kind::choice,
     .required = true,
     .fallback = "none",
     .meaning = "The kind of server.",
     .choices = "postgresql",
     .later_choices = "mysql|mariadb|mongodb|sqlserver"},
    {.path = "targets.*.host",
     .shape = Shape::scalar_or_list,
     .kind = Kind::text,
     .required = true,
     .fallback = "none",
     .meaning =
         "Host name, IP address, or the absolute directory of a Unix socket. A list of one is allowed; "
         "several hosts are not in this version."},
    {.path = "targets.*.port",
     .kind = Kind::integer,
     .fallback = "`5432`",
     .meaning = "Port of the server.",
     .min = 1,
     .max = 65'535},
    later("targets.*.target_session_attrs", "Which of several hosts is wanted."),
    later("targets.*.load_balance", "How several hosts are shared."),
    {.path = "targets.*.database",
     .shape = Shape::scalar_or_list,
     .kind = Kind::text,
     .required = true,
     .fallback = "none",
     .meaning = "The database, a list of them (the first is the default), or `\"*\"`: whichever the client "
                "asks for."},
    {.path = "targets.*.auth",
     .kind = Kind::reference,
     .fallback = "none",
     .meaning =
         "For a target with one role: where its credential comes from. The role is then named `default`."},
    {.path = "targets.*.user",
     .kind = Kind::text,
     .fallback = "the secret's",
     .meaning = "With `auth`: the user to log in as, where the secret names none."},
    {.path = "targets.*.run_as",
     .kind = Kind::text,
     .fallback = "none",
     .meaning = "With `auth`: the database role that owns what sessions create (start-up parameter `role`)."},
    {.path = "targets.*.login_methods",
     .shape = Shape::scalar_or_list,
     .kind = Kind::choice,
     .fallback = "none",
     .meaning =
         "With `auth`: login methods allowed beside SCRAM. Each shows the server more of the password.",
     .choices = "password|md5"},
    {.path = "targets.*.login_reason",
     .kind = Kind::text,
     .fallback = "none",
     .meaning = "With `login_methods`: why they are needed. Repeated as a warning by every check."},
    {.path = "targets.*.roles",
     .shape = Shape::named_map,
     .fallback = "none",
     .meaning = "Accounts that sessions may have, by name. Instead of `auth`."},
    {.path = "targets.*.roles.*",
     .shape = Shape::scalar_or_map,
     .kind = Kind::reference,
     .fallback = "none",
     .meaning = "One role: a reference, or a map with the keys below."},
    {.path = "targets.*.roles.*.auth",
     .kind = Kind::reference,
     .required = true,
     .fallback = "none",
     .meaning = "Where the role's credential comes from."},
    {.path = "targets.*.roles.*.user",
     .kind = Kind::text,
     .fallback = "the secret's",
     .meaning = "The user to log in as, where the secret names none."},
    {.path = "targets.*.roles.*.run_as",
     .kind = Kind::text,
     .fallback = "none",
     .meaning = "The database role that owns what sessions create (start-up parameter `role`)."},
    {.path = "targets.*.roles.*.login_methods",
     .shape = Shape::scalar_or_list,
     .kind = Kind::choice,
     .fallback = "none",
     .meaning = "Login methods allowed beside SCRAM. Each shows the server more of the password.",
     .choices = "password|md5"},
    {.path = "targets.*.roles.*.login_reason",
     .kind = Kind::text,
     .fallback = "none",
     .meaning = "With `login_methods`: why they are needed. Repeated as a warning by every check."},
    {.path = "targets.*.tls",
     .shape = Shape::map,
     .fallback = "verify-full, system roots",
     .meaning = "How the connection to the server is protected."},
    {.path = "targets.*.tls.mode",
     .kind = Kind::tls_mode,
     .fallback = "`verify-full`",
     .meaning = "What is checked. Anything weaker than `verify-full` needs `reason` and `until`.",
     .choices = "verify-full|verify-ca|require|disable"},
    {.path = "targets.*.tls.roots",
     .shape = Shape::scalar_or_list,
     .kind = Kind::text,
     .fallback = "`system`",
     .meaning =
         "Who may have signed the server's certificate: PEM files, and `system` for the system's store."},
    {.path = "targets.*.tls.server_name",
     .kind = Kind::text,
     .fallback = "`host`",
     .meaning = "The name that the certificate must hold."},
    {.path = "targets.*.tls.min_version",
     .kind = Kind::choice,
     .fallback = "`\"1.2\"`",
     .meaning = "Lowest TLS version spoken.",
     .choices = "1.2|1.3"},
    {.path = "targets.*.tls.crl",
     .kind = Kind::path,
     .fallback = "not checked",
     .meaning = "PEM file with certificate revocation lists."},
    {.path = "targets.*.tls.certificate",
     .kind = Kind::path,
     .fallback = "none",
     .meaning = "PEM file with our client certificate and its chain. Together with `key`."},
    {.path = "targets.*.tls.key",
     .kind = Kind::path,
     .fallback = "none",
     .meaning = "PEM file with the client certificate's private key. Together with `certificate`."},
    {.path = "targets.*.tls.reason",
     .kind = Kind::text,
     .fallback = "none",
     .meaning = "Why a weaker `mode` is needed. Repeated as a warning by every check."},
    {.path = "targets.*.tls.until",
     .kind = Kind::text,
     .fallback = "none",
     .meaning = "Last day of a weaker `mode`, `YYYY-MM-DD`, at most 90 days ahead. Then it is an error."},
    {.path = "targets.*.pool",
     .shape = Shape::map,
     .fallback = "defaults",
     .meaning = "Upstream connections kept logged in."},
    {.path = "targets.*.pool.mode",
     .kind = Kind::choice,
     .fallback = "`session`",
     .meaning = "When an upstream connection may change owner.",
     .choices = "session",
     .later_choices = "transaction"},
    {.path = "targets.*.pool.min_ready",
     .kind = Kind::integer,
     .fallback = "`1`",
     .meaning = "Connections kept ready, for each start-up profile. At most `max`.",
     .min = 0,
     .max = 1'000},
    {.path = "targets.*.pool.max",
     .kind = Kind::integer,
     .fallback = "`20`",
     .meaning = "Upstream connections of one role, all together.",
     .min = 1,
     .max = 10'000},
    {.path = "targets.*.pool.idle_max",
     .kind = Kind::duration,
     .fallback = "`10 min`",
     .meaning = "A ready connection above `min_ready` is closed after this time unused.",
     .min = second_ms,
     .max = 7 * day_ms},
    {.path = "targets.*.pool.lifetime_max",
     .kind = Kind::duration,
     .fallback = "`1 h`",
     .meaning = "An upstream connection is replaced after about this time.",
     .min = second_ms,
     .max = 30 * day_ms},
    {.path = "targets.*.pool.wait_max",
     .kind = Kind::duration,
     .fallback = "`30 s`",
     .meaning = "How long a client waits for a connection when `max` are in use.",
     .min = 100,
     .max = 10 * minute_ms},
    later("targets.*.pool.share", "Who shares a pool: `identity` or `role`."),
    later("targets.*.pool.share_reason", "Why `share: role` is safe here."),
    later("targets.*.pool.on_session_state", "Transaction mode: what happens to sessions that hold state."),
    later("targets.*.pool.verify_session_state", "Transaction mode: whether the server is asked for state."),

    {.path = "routes",
     .shape = Shape::list,
     .fallback = "none",
     .meaning = "Where applications connect to `sallyport serve`."},
    {.path = "routes[]",
     .shape = Shape::map,
     .fallback = "none",
     .meaning = "One listener and who may use it."},
    {.path = "routes[].listen",
     .kind = Kind::text,
     .required = true,
     .fallback = "none",
     .meaning = "`unix:DIR[:PORT]`: the socket is `DIR/.s.PGSQL.PORT`, port 5432 if left out. "
                "`tcp:ADDRESS:PORT` is not in this version."},
    {.path = "routes[].target",
     .kind = Kind::text,
     .required = true,
     .fallback = "none",
     .meaning = "The target that the route leads to."},
    {.path = "routes[].allow",
     .shape = Shape::list,
     .required = true,
     .fallback = "none",
     .meaning = "Who may use the route. Nobody else may."},
    {.path = "routes[].allow[]",
     .shape = Shape::map,
     .fallback = "none",
     .meaning = "One rule: all its conditions must hold. Somebody who matches several rules may have the "
                "role of each."},
    {.path = "routes[].allow[].user",
     .kind = Kind::text,
     .fallback = "any",
     .meaning = "User of the connecting process, by name or uid. Names are resolved when the file is read."},
    {.path = "routes[].allow[].group",
     .kind = Kind::text,
     .fallback = "any",
     .meaning = "Group of the connecting process, by name or gid."},
    {.path = "routes[].allow[].role",
     .kind = Kind::text,
     .fallback = "the target's only role",
     .meaning = "The role that whoever matches may have."},
    later("routes[].allow[].certificate",
          "Name in the client's certificate: subject, DNS name or SPIFFE ID."),
    later("routes[].allow[].verifier", "A local password's verifier, made by `sallyport passwd`."),
    later("routes[].allow[].executable", "Narrows `user` to one program."),
    later("routes[].allow[].cgroup", "Control group of the connecting process."),
    later("routes[].allow[].unit", "systemd unit of the connecting process."),
    later("routes[].allow[].allow_namespaced", "Admit processes of other user namespaces."),
    later("routes[].allow[].addresses", "CIDR ranges that TCP clients may come from."),
    later("routes[].allow[].hours", "When the rule holds."),
    later("routes[].allow[].connections_max", "Sessions at once for each identity."),
    later("routes[].allow[].replication", "Admit replication sessions."),
    later("routes[].tls", "TLS towards clients."),
    later("routes[].addresses", "CIDR ranges that TCP clients may come from."),
    later("routes[].hours", "When the route is open."),
    later("routes[].connections_max", "Sessions at once on the route."),
    later("routes[].connections_per_second_max", "New sessions each second on the route."),
    later("routes[].session_age_max", "Longest life of a session."),

    {.path = "state",
     .kind = Kind::text,
     .fallback = "`sqlite:/var/lib/sallyport/state.db`",
     .meaning = "`sqlite:FILE`. Lease journals stand beside FILE, in its directory. Other stores are not in "
                "this version."},
    {.path = "audit", .shape = Shape::map, .fallback = "defaults", .meaning = "The audit trail."},
    {.path = "audit.mode",
     .kind = Kind::choice,
     .fallback = "`required`",
     .meaning = "`required`: no session without its record. `best-effort`: sessions go on when the trail "
                "cannot be written.",
     .choices = "required|best-effort"},
    {.path = "audit.dir",
     .kind = Kind::path,
     .fallback = "`/var/lib/sallyport/audit`",
     .meaning = "Directory of the trail's segments."},
    {.path = "audit.durability",
     .kind = Kind::choice,
     .fallback = "`process`",
     .meaning = "What a record survives: `process`, the end of Sallyport by any signal; `power`, a power "
                "failure too "
                "(one fsync for each group).",
     .choices = "process|power"},
    later("audit.sinks", "Other places that events are sent to."),
    later("audit.statements", "Record statements."),
    later("alerts", "Alerts and detectors."),
    later("admin", "Health, metrics and control."),
    later("reload", "What a reload does to live sessions."),
    later("relay_threads", "Loops that relay, shared by target."),
});

std::string quoted_list(std::string_view choices) {
  std::string out;
  while (!choices.empty()) {
    const auto bar = choices.find('|');
    if (!out.empty()) out += ", ";
    out.append("`").append(choices.substr(0, bar)).append("`");
    choices = bar == std::string_view::npos ? std::string_view{} : choices.substr(bar + 1);
  }
  return out;
}

std::string milliseconds_text(std::int64_t value) {
  if (value % day_ms == 0) return std::to_string(value / day_ms) + " days";
  if (value % minute_ms == 0) return std::to_string(value / minute_ms) + " min";
  if (value % second_ms == 0) return std::to_string(value / second_ms) + " s";
  return std::to_string(value) + " ms";
}

std::string scalar_type(const Key& key) {
  switch (key.kind) {
    case Kind::none: return "number";
    case Kind::text: return "text";
    case Kind::name: return "name";
    case Kind::integer: return "integer, " + std::to_string(key.min) + " to " + std::to_string(key.max);
    case Kind::duration:
      return "duration, " + milliseconds_text(key.min) + " to " + milliseconds_text(key.max);
    case Kind::choice:
    case Kind::tls_mode:
      return std::string{key.choices.find('|') == std::string_view::npos ? "" : "one of "} +
             quoted_list(key.choices);
    case Kind::path: return "absolute path";
    case Kind::reference: return "reference";
  }
  return {};
}

}  // namespace

std::span<const Key> all_keys() { return table; }

const Key* find_key(std::string_view path) {
  for (const Key& key : table) {
    if (key.path == path) return &key;
  }
  return nullptr;
}

std::string_view last_part(std::string_view path) {
  const auto dot = path.rfind('.');
  return dot == std::string_view::npos ? path : path.substr(dot + 1);
}

std::string_view parent_part(std::string_view path) {
  const auto dot = path.rfind('.');
  return dot == std::string_view::npos ? std::string_view{} : path.substr(0, dot);
}

std::string describe_type(const Key& key) {
  if (key.since == Since::later) return "not in this version";
  switch (key.shape) {
    case Shape::scalar: return scalar_type(key);
    case Shape::scalar_or_list: return scalar_type(key) + ", or a list of them";
    case Shape::list: return "list";
    case Shape::map: return "map";
    case Shape::scalar_or_map: return scalar_type(key) + " or map";
    case Shape::named_map: return "map of names";
  }
  return {};
}

}  // namespace sallyport::config
