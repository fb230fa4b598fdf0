// Files that are wrong: each error at its exact line and column, in its exact words.
#include "secrets/attributes.h"
#include "test/config/parse.h"

namespace sallyport::config::bad_test {
namespace {

struct BadFile {
  std::string name;
  std::string yaml;
  std::vector<std::string> errors;
};

const std::string not_a_reference_fix =
    "Write where the secret is kept, such as `vault:database/creds/ROLE` or `file:/run/secrets/NAME`. This "
    "version has "
    "vault:, file:, env:, systemd:, exec:, aws-sm:, aws-ssm:, gcp-sm:, azure-kv:, k8s:, aws-rds-iam:, "
    "gcp-cloudsql-iam:, azure-entra:.";

std::vector<BadFile> bad_files() {
  return {
      {"VersionIsMissing",
       R"(targets: {}
)",
       {"1:1: `version` is missing. Write `version: 1` as the first line."}},
      {"VersionIsOfTheFuture",
       R"(version: 2
)",
       {"1:10: `version` is `2`, and this Sallyport reads version 1. The file was written for a newer "
        "Sallyport."}},
      {"VersionIsNoNumber",
       R"(version: one
)",
       {"1:10: `version` is `one`, and this Sallyport reads version 1. Write `version: 1`."}},
      {"FileIsEmpty",
       R"()",
       {"1:1: the file is empty. Write `version: 1`, `targets:` and `routes:`; see docs/configuration.md."}},
      {"FileIsNoMap",
       R"([1]
)",
       {"1:1: the file is not a map of keys. Begin with `version: 1`."}},
      {"KeysAreMistyped",
       R"(version: 1
target: {}
targets:
  p:
    engine: postgres
    hots: db.example.com
    dbname: x
    sslmode: require
    min_ready: 2
    auth: vault:database/creds/app
    frobnicate: 1
)",
       {"2:1: unknown key `target`. Did you mean `targets`?",
        "5:13: `engine` is `postgres`, expected `postgresql`. Did you mean `postgresql`?",
        "6:5: unknown key `hots` in `targets.p`. Did you mean `host`?",
        "7:5: unknown key `dbname` in `targets.p`. Here it is called `database`.",
        "8:5: unknown key `sslmode` in `targets.p`. Here it is called `tls: {mode: …}`.",
        "9:5: unknown key `min_ready` in `targets.p`. It belongs below `targets.NAME.pool`.",
        "11:5: unknown key `frobnicate` in `targets.p`. Keys here: `engine`, `host`, `port`, "
        "`target_session_attrs`, `load_balance`, `database`, `auth`, `user`, `run_as`, `login_methods`, "
        "`login_reason`, `roles`, `tls` or `pool`."}},
      {"KeysAreMissing",
       R"(version: 1
targets:
  p: {port: 5432}
routes:
  - {}
  - listen: unix:/run/x
)",
       {"3:3: `database` is missing in `targets.p`. Add it: The database, a list of them (the first is the "
        "default), or `\"*\"`: whichever the client asks for.",
        "3:3: `engine` is missing in `targets.p`. Add it (`postgresql`): The kind of server.",
        "3:3: `host` is missing in `targets.p`. Add it: Host name, IP address, or the absolute directory of "
        "a Unix socket; or a list of them in the order of preference, each with a `:port` of its own where "
        "it "
        "needs one (`[db1, \"db2:5433\"]`).",
        "3:3: neither `auth` nor `roles` says where the credential comes from. Add e.g. `auth: "
        "vault:database/creds/ROLE`.",
        "5:5: `allow` is missing in `routes[1]`. Add it: Who may use the route. Nobody else may.",
        "5:5: `listen` is missing in `routes[1]`. Add it: `unix:DIR[:PORT]`: the socket is "
        "`DIR/.s.PGSQL.PORT`, port 5432 if left out. Or `tcp:ADDRESS:PORT`, an IP address of this machine "
        "(IPv6 in brackets): clients show who they are by `certificate` or `verifier`.",
        "5:5: `target` is missing in `routes[1]`. Add it: The target that the route leads to.",
        "6:5: `allow` is missing in `routes[2]`. Add it: Who may use the route. Nobody else may.",
        "6:5: `target` is missing in `routes[2]`. Add it: The target that the route leads to."}},
      {"KeysAreDuplicate",
       R"(version: 1
version: 1
targets: {a: {host: x, host: y}, a: {}}
<<: {a: b}
? [x]
: y
)",
       {"2:1: the key `version` stands twice; first at line 1. Keep one of them.",
        "3:11: `database` is missing in `targets.a`. Add it: The database, a list of them (the first is the "
        "default), or `\"*\"`: whichever the client asks for.",
        "3:11: `engine` is missing in `targets.a`. Add it (`postgresql`): The kind of server.",
        "3:11: neither `auth` nor `roles` says where the credential comes from. Add e.g. `auth: "
        "vault:database/creds/ROLE`.",
        "3:24: the key `host` stands twice; first at line 3. Keep one of them.",
        "3:34: the key `a` stands twice; first at line 3. Keep one of them.",
        "4:1: merge keys (`<<`) are not read here. Write the keys out, or give the whole map by an alias: "
        "`tls: *common`.",
        "5:3: a key is not a plain word. Write `key: value`."}},
      {"ValuesAreEmptyOrOfTheWrongType",
       R"(version: 1
targets:
  a:
  b: []
  c: x
routes: {}
audit: x
state:
)",
       {"3:3: `targets.a` has no value. Expected: map.",
        "4:6: `targets.b` is a list, expected: map. Write `key: value` lines below it, or `{key: value}`.",
        "5:6: `targets.c` is a single value, expected: map. Write `key: value` lines below it, or `{key: "
        "value}`.",
        "6:9: `routes` is a map, expected: list. Begin each element with `- `, or write `[…, …]`.",
        "7:8: `audit` is a single value, expected: map. Write `key: value` lines below it, or `{key: "
        "value}`.",
        "8:1: `state` has no value. Expected: text."}},
      {"ListsHoldWrongElements",
       R"(version: 1
targets:
  a: {engine: [postgresql], host: [[x]], database: [d, {x: y}, d, "*"], auth: {x: y}, port: [1]}
  b: {engine: postgresql, host: [], database: [], roles: {}}
routes: [x]
)",
       {"3:15: `engine` is a list, expected: `postgresql`",
        "3:36: an element of `host` is a list. Expected: text, or a list of them.",
        "3:56: an element of `database` is a map. Expected: text, or a list of them.",
        "3:64: the database `d` stands twice. Keep one of them.",
        "3:67: \"*\" stands in a list of databases. Write `database: \"*\"` alone, or names only.",
        "3:79: `auth` is a map, expected: reference", "3:93: `port` is a list, expected: integer, 1 to 65535",
        "4:33: `host` is an empty list. Name the server.",
        "4:47: `database` is an empty list. Name at least one, or write \"*\" for any.",
        "4:58: `roles` is empty. Add one, e.g. `app: vault:database/creds/app`.",
        "5:10: `routes[1]` is a single value, expected: map. Write `key: value` lines below it, or `{key: "
        "value}`."}},
      {"NamesAreNoNames",
       R"(version: 1
targets:
  "a b": {engine: postgresql, host: db.example.com, database: x, roles: {"c/d": "env:X", .x: "env:X"}}
  "*": {engine: postgresql, host: db.example.com, database: x, auth: "env:X"}
)",
       {"3:3: `a b` is no name. Use letters, digits, `_`, `.` and `-`, at most 63, a letter or digit first.",
        "3:74: `c/d` is no name. Use letters, digits, `_`, `.` and `-`, at most 63, a letter or digit first.",
        "3:90: `.x` is no name. Use letters, digits, `_`, `.` and `-`, at most 63, a letter or digit first.",
        "4:3: `*` is no name. Use letters, digits, `_`, `.` and `-`, at most 63, a letter or digit first."}},
      {"NumbersAndDurationsAreOutOfRange",
       R"(version: 1
targets:
  p:
    engine: postgresql
    host: db.example.com
    port: 0
    database: x
    auth: env:X
    pool: {min_ready: 5, max: two, wait_max: 30, idle_max: 10 lightyears, lifetime_max: 0s}
  q: {engine: postgresql, host: db.example.com, port: 65536, database: x, auth: "env:X", pool: {min_ready: 5, max: 4}}
  r: {engine: postgresql, host: db.example.com, port: -1, database: x, auth: "env:X", pool: {max: 99999999999999999999, idle_max: 99999999999999999 days}}
)",
       {"6:11: `port` is `0`, expected: integer, 1 to 65535",
        "9:31: `max` is `two`, expected: integer, 1 to 10000",
        "9:46: `wait_max` is `30`, expected: duration, 100 ms to 10 min. Add a unit: `30s`, `10 min`, `1h`.",
        "9:60: `idle_max` is `10 lightyears`, expected: duration, 1 s to 7 days. Write a whole number and a "
        "unit: `30s`, `10 min`, `1h`.",
        "9:89: `lifetime_max` is `0s`, expected: duration, 1 s to 30 days",
        "10:55: `port` is `65536`, expected: integer, 1 to 65535",
        "10:108: `min_ready` 5 is more than `max` 4. Lower the one or raise the other.",
        "11:55: `port` is `-1`, expected: integer, 1 to 65535",
        "11:99: `max` is `99999999999999999999`, expected: integer, 1 to 10000",
        "11:131: `idle_max` is `99999999999999999 days`, expected: duration, 1 s to 7 days. Write a whole "
        "number and a unit: `30s`, `10 min`, `1h`."}},
      {"HostsAreNoHosts",
       R"(version: 1
targets:
  a: {engine: postgresql, host: db.example.com:5432, database: x, auth: "env:X"}
  b: {engine: postgresql, host: "postgresql://db.example.com/x", database: x, auth: "env:X"}
  c: {engine: postgresql, host: /run/../x, database: x, auth: "env:X"}
  d: {engine: postgresql, host: 10.0.0.300, database: x, auth: "env:X"}
  e: {engine: postgresql, host: -db.example.com, database: x, auth: "env:X"}
  f: {engine: postgresql, host: /xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx, database: x, auth: "env:X"}
)",
       {"3:33: `db.example.com:5432` is no host name. Write the port under `port`.",
        "4:33: `postgresql://db.example.com/x` is no host name. Write the host only; user, port and database "
        "have keys of their own.",
        "5:33: `/run/../x` is no plain absolute directory. Leave out `.`, `..`, doubled slashes and a slash "
        "at the end.",
        "6:33: `10.0.0.300` is no host name. Write a name such as db.example.com, an IP address, or an "
        "absolute directory.",
        "7:33: `-db.example.com` is no host name. Write a name such as db.example.com, an IP address, or an "
        "absolute directory.",
        "8:33: the socket path in this directory is longer than 107 bytes. Use a shorter directory: the "
        "kernel takes no more."}},
      {"SeveralHostsAreWrong",
       R"(version: 1
targets:
  a: {engine: postgresql, host: [db1, "db1:5432"], database: x, auth: "env:X"}
  b: {engine: postgresql, host: [db1, "db2:x", "[::1"], database: x, auth: "env:X"}
  c: {engine: postgresql, host: [db1, "db 2:5433", "postgresql://db3/x"], database: x, auth: "env:X"}
  d: {engine: postgresql, host: [db1, db2], target_session_attrs: readwrite, load_balance: round-robin, database: x, auth: "env:X"}
  e: {engine: postgresql, host: [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, q], database: x, auth: "env:X"}
  f: {engine: postgresql, host: [], database: x, auth: "env:X"}
)",
       {"3:39: the host `db1:5432` stands twice. Keep one of them.",
        "4:39: `db2:x` does not end in a port from 1 to 65535. Write db.example.com, db.example.com:5433 or "
        "[2001:db8::1]:5433.",
        "4:48: `[::1` has a [ without its ]. Write db.example.com, db.example.com:5433 or "
        "[2001:db8::1]:5433.",
        "5:39: `db 2` is no host name. Write a name such as db.example.com, an IP address, or an absolute "
        "directory.",
        "5:52: `postgresql://db3/x` is no host name. Write the host only; user, port and database have keys "
        "of "
        "their own.",
        "6:67: `target_session_attrs` is `readwrite`, expected `any`, `read-write`, `read-only`, `primary`, "
        "`standby` or `prefer-standby`. Did you mean `read-write`?",
        "6:92: `load_balance` is `round-robin`, expected `off` or `random`",
        "7:33: `host` names more than 16 hosts. Keep the ones that matter, or name one that has several "
        "addresses.",
        "8:33: `host` is an empty list. Name the server."}},
      {"PasswordsStandInTheFile",
       R"(version: 1
targets:
  p: {engine: postgresql, host: "postgres://u:hunter2@db/x", database: x, auth: hunter2}
  q: {engine: postgresql, host: db.example.com, database: x, auth: "postgresql://u:hunter2@h/db"}
  r: {engine: postgresql, host: db.example.com, database: x, password: hunter2}
  s: {engine: postgresql, host: db.example.com, database: x, roles: {a: hunter2, b: {auth: hunter2}, c: {passwd: hunter2}}}
  t: {engine: postgresql, host: db.example.com, database: x, auth: "host=h password=hunter2"}
  u: {engine: postgresql, host: db.example.com, database: x, auth: "exec:/bin/x --token=hunter2"}
  v: {engine: postgresql, host: db.example.com, database: x, auth: "vault:database/creds/x?password=hunter2"}
alerts: {webhook_token: hunter2, smtp: "smtp://u:hunter2@mail"}
state: postgresql://u:hunter2@db/state
)",
       {"3:33: a password stands in this value (not shown). Keep it in a secret manager or a private file "
        "and write a reference: `auth: vault:database/creds/ROLE`, or `auth: file:/run/secrets/NAME`.",
        "3:81: `auth` is not a reference (value not shown: it may be a secret). " + not_a_reference_fix,
        "4:68: a password stands in this value (not shown). Keep it in a secret manager or a private file "
        "and write a reference: `auth: vault:database/creds/ROLE`, or `auth: file:/run/secrets/NAME`.",
        "5:62: `password` may not stand in this file. Keep it in a secret manager or a private file and "
        "write a reference: `auth: vault:database/creds/ROLE`, or `auth: file:/run/secrets/NAME`.",
        "6:73: `targets.s.roles.a` is not a reference (value not shown: it may be a secret). " +
            not_a_reference_fix,
        "6:92: `auth` is not a reference (value not shown: it may be a secret). " + not_a_reference_fix,
        "6:106: `passwd` may not stand in this file. Keep it in a secret manager or a private file and write "
        "a reference: `auth: vault:database/creds/ROLE`, or `auth: file:/run/secrets/NAME`.",
        "7:68: a password stands in this value (not shown). Keep it in a secret manager or a private file "
        "and write a reference: `auth: vault:database/creds/ROLE`, or `auth: file:/run/secrets/NAME`.",
        "8:68: a password stands in this value (not shown). Keep it in a secret manager or a private file "
        "and write a reference: `auth: vault:database/creds/ROLE`, or `auth: file:/run/secrets/NAME`.",
        "9:68: a password stands in this value (not shown). Keep it in a secret manager or a private file "
        "and write a reference: `auth: vault:database/creds/ROLE`, or `auth: file:/run/secrets/NAME`.",
        "10:1: `alerts` is not in this version. Remove it; it is for: Alerts and detectors.",
        "10:10: `webhook_token` may not stand in this file. Keep it in a secret manager or a private file "
        "and write a reference: `auth: vault:database/creds/ROLE`, or `auth: file:/run/secrets/NAME`.",
        "10:40: a password stands in this value (not shown). Keep it in a secret manager or a private file "
        "and write a reference: `auth: vault:database/creds/ROLE`, or `auth: file:/run/secrets/NAME`.",
        "11:8: a password stands in this value (not shown). Keep it in a secret manager or a private file "
        "and write a reference: `auth: vault:database/creds/ROLE`, or `auth: file:/run/secrets/NAME`."}},
      {"ReferencesAreWrongAtTheCharacter",
       R"(version: 1
targets:
  r: {engine: postgresql, host: db.example.com, database: x, auth: "vault:database//creds"}
  s: {engine: postgresql, host: db.example.com, database: x, auth: issuer:app-role}
  t: {engine: postgresql, host: db.example.com, database: x, auth: "vault:database/creds/../x"}
  u: {engine: postgresql, host: db.example.com, database: x, auth: "exec:pass show x"}
  v: {engine: postgresql, host: db.example.com, database: x, auth: vautl:database/creds/x}
  w:
    engine: postgresql
    host: db.example.com
    database: x
    auth: vault:database/%zz
  x: {engine: postgresql, host: db.example.com, database: x, roles: {a: "file:run/secrets/x"}}
)",
       {"3:84: `auth`: an empty part. Remove the extra slash.",
        "4:68: `auth`: the scheme \"issuer:\" is not in this version. This version has vault:, file:, env:, "
        "systemd:, exec:, aws-sm:, aws-ssm:, gcp-sm:, azure-kv:, k8s:, aws-rds-iam:, gcp-cloudsql-iam:, "
        "azure-entra:.",
        "5:90: `auth`: a part that leads elsewhere. Write the path without . and ..",
        "6:74: `auth`: the program is not an absolute path. Write exec:/usr/bin/pass show db.",
        "7:68: `auth` is not a reference (value not shown: it may be a secret). " + not_a_reference_fix,
        "12:26: `auth`: a % that two hexadecimal digits do not follow. Write a percent sign as %25.",
        "13:79: `targets.x.roles.a`: not an absolute path. Write file:/run/secrets/db."}},
      {"AuthAndRolesDisagree",
       R"(version: 1
targets:
  p: {engine: postgresql, host: db.example.com, database: x, auth: "env:X", user: u, roles: {a: "env:Y"}}
  q: {engine: postgresql, host: db.example.com, database: x, user: u}
  r: {engine: postgresql, host: db.example.com, database: x, roles: {a: {user: u}}}
)",
       {"3:62: `auth` stands beside `roles`. Move it into the role that it is for.",
        "3:77: `user` stands beside `roles`. Move it into the role that it is for.",
        "4:3: neither `auth` nor `roles` says where the credential comes from. Add e.g. `auth: "
        "vault:database/creds/ROLE`.",
        "5:70: `auth` is missing in `targets.r.roles.a`. Add it: Where the role's credential comes from."}},
      {"LoginMethodsHaveNoReason",
       R"(version: 1
targets:
  p: {engine: postgresql, host: db.example.com, database: x, auth: "env:X", login_methods: [password]}
  q: {engine: postgresql, host: db.example.com, database: x, auth: "env:X", login_reason: x}
  r: {engine: postgresql, host: db.example.com, database: x, auth: "env:X", login_methods: scram, login_reason: x}
)",
       {"3:77: `login_methods` without `login_reason`. Say why SCRAM cannot be used: each other method shows "
        "the server more of the password.",
        "4:77: `login_reason` without `login_methods`. Remove it.",
        "5:92: `login_methods` is `scram`, expected `password` or `md5`"}},
      {"TlsIsWeakerWithoutReasonOrEnd",
       R"(version: 1
targets:
  a: {engine: postgresql, host: d.example.com, database: x, auth: "env:X", tls: {mode: require}}
  b: {engine: postgresql, host: d.example.com, database: x, auth: "env:X", tls: {mode: prefer}}
  c: {engine: postgresql, host: d.example.com, database: x, auth: "env:X", tls: {mode: require, reason: x, until: 2027-01-01}}
  d: {engine: postgresql, host: d.example.com, database: x, auth: "env:X", tls: {mode: require, reason: x, until: 2026-06-30}}
  e: {engine: postgresql, host: d.example.com, database: x, auth: "env:X", tls: {mode: disable, reason: x}}
  f: {engine: postgresql, host: d.example.com, database: x, auth: "env:X", tls: {mode: disable, reason: x, until: soon}}
)",
       {"3:88: tls.reason: missing, but mode require encrypts but does not check whose certificate the "
        "server has. Use mode verify-full, or write tls.reason (why) and tls.until (2026-09-29 at the "
        "latest).",
        "4:88: `mode`: \"prefer\" is no TLS mode. It falls back to no encryption without a word; write "
        "verify-full, or disable with a reason.",
        "5:115: tls.until: 2027-01-01 is more than 90 days away. Write tls.until: \"2026-09-29\" or earlier.",
        "6:115: tls.until: mode require was allowed until 2026-06-30, which has passed. Use mode "
        "verify-full, or extend it to 2026-09-29 at the latest.",
        "7:88: tls.until: missing, but mode disable needs an end date. Write tls.until: \"2026-09-29\" or "
        "earlier.",
        "8:115: tls.until: \"soon\" is no date of the form YYYY-MM-DD. Write tls.until: \"2026-09-29\" or "
        "earlier."}},
      {"TlsFilesAreWrong",
       R"(version: 1
targets:
  e: {engine: postgresql, host: d.example.com, database: x, auth: "env:X", tls: {certificate: /a.pem}}
  f: {engine: postgresql, host: d.example.com, database: x, auth: "env:X", tls: {roots: ca.pem, crl: ../x, min_version: 1.1}}
  g: {engine: postgresql, host: d.example.com, database: x, auth: "env:X", tls: {key: /a.pem}}
  h: {engine: postgresql, host: d.example.com, database: x, auth: "env:X", tls: {server_name: "a b", roots: [/a/../b]}}
)",
       {"3:81: tls.key: missing, but there is a client certificate. Give both files, or neither.",
        "4:89: `roots` holds `ca.pem`. Write `system`, or the absolute path of a PEM file.",
        "4:102: `crl` is `../x`, expected: absolute path. Write it from the root: a relative path would "
        "depend on where we were started.",
        "4:121: `min_version` is `1.1`, expected `1.2` or `1.3`. Did you mean `1.2`?",
        "5:81: tls.certificate: missing, but there is a client key. Give both files, or neither.",
        "6:95: `a b` is no host name. Write the name that the certificate holds.",
        "6:110: `roots` holds `/a/../b`. Write `system`, or the absolute path of a PEM file."}},
      {"KeysAreOfLaterVersions",
       R"(version: 1
targets:
  p: {engine: mysql, host: [a, b], database: x, auth: "env:X", target_session_attrs: primary, pool: {mode: transaction, share: role, on_session_state: ignore}}
routes:
  - listen: unix:/run/x
    allow: [{user: app}]
    target: p
alerts: {webhook: file:/etc/x}
admin: {listen: 127.0.0.1:9090}
state: postgresql://state.example.com/x
audit: {sinks: [stdout]}
relay_threads: 2
)",
       {"3:15: `engine: mysql` is not in this version. Use `postgresql`.",
        "3:128: `share: role` needs `share_reason`. Say why sessions of different identities may find what "
        "another one left.",
        "3:152: `on_session_state: ignore` and `share: role` together let one identity leave state for "
        "another. "
        "Write `pin` or `refuse`, or `share: identity`.",
        "8:1: `alerts` is not in this version. Remove it; it is for: Alerts and detectors.",
        "10:8: `state` in PostgreSQL is not in this version. Use `sqlite:/DIRECTORY/state.db`.",
        "11:9: `sinks` is not in this version. Remove it; it is for: Other places that events are sent to.",
        "12:1: `relay_threads` is not in this version. Remove it; it is for: Loops that relay, shared by "
        "target."}},
      {"TcpRoutesAreWrong",
       R"(version: 1
targets:
  t: {engine: postgresql, host: db.example.com, database: x, auth: "env:X"}
routes:
  - {listen: "tcp:localhost:6432", target: t, allow: [{user: app}]}
  - {listen: "tcp:127.0.0.1", target: t, allow: [{certificate: "CN=a"}]}
  - {listen: "tcp:::1:6432", target: t, allow: [{certificate: "CN=a"}]}
  - {listen: "tcp:127.0.0.1:0", target: t, allow: [{group: staff}]}
  - {listen: "tcp:10.0.0.1:6432", target: t, allow: [{role: default}]}
  - {listen: "tcp:10.0.0.1:6432", target: t, tls: {cert: /c, key: /k}, allow: [{certificate: "app"}]}
)",
       {"5:14: `tcp:localhost:6432` is not `tcp:ADDRESS:PORT` with an IP address. Write e.g. "
        "`tcp:127.0.0.1:6432` or `tcp:[::1]:6432`; names are not looked up here.",
        "5:62: `user` never holds on a `tcp:` route: no account is known there. Use `certificate` or "
        "`verifier`, or a "
        "route with `unix:`.",
        "6:14: `tcp:127.0.0.1` is not `tcp:ADDRESS:PORT` with an IP address. Write e.g. `tcp:127.0.0.1:6432` "
        "or "
        "`tcp:[::1]:6432`; names are not looked up here.",
        "6:64: `certificate` never holds: the route has no `tls.client_ca`. Name the authorities that sign "
        "the "
        "clients' certificates: `tls: {client_ca: FILE, …}`.",
        "7:14: `tcp:::1:6432` is not `tcp:ADDRESS:PORT` with an IP address. Write e.g. `tcp:127.0.0.1:6432` "
        "or "
        "`tcp:[::1]:6432`; names are not looked up here.",
        "7:63: `certificate` never holds: the route has no `tls.client_ca`. Name the authorities that sign "
        "the "
        "clients' certificates: `tls: {client_ca: FILE, …}`.",
        "8:14: the port of `tcp:127.0.0.1:0` is not between 1 and 65535. Clients connect to it; PostgreSQL's "
        "own "
        "is 5432.",
        "8:60: `group` never holds on a `tcp:` route: no account is known there. Use `certificate` or "
        "`verifier`, or a "
        "route with `unix:`.",
        "9:14: the route is open to a network, and has no `tls`. Add `tls: {cert: FILE, key: FILE, "
        "client_ca: "
        "FILE}`, or listen on 127.0.0.1 or a Unix socket.",
        "9:54: the rule names neither `user`, `group`, `unit`, `cgroup`, `certificate` nor `verifier`, so it "
        "would let everybody in. "
        "Add e.g. `user: NAME`.",
        "10:14: this `listen` is also that of the route at line 9. Join their `allow` rules, or give one "
        "another "
        "directory or port.",
        "10:94: `certificate` `app` is neither a subject nor a DNS name nor a SPIFFE ID. Write e.g. "
        "`CN=app,O=Example`, `dns:app.example.com` or `spiffe://example.org/ns/*/sa/app`."}},
      {"ClientTlsIsWrong",
       R"(version: 1
targets:
  t: {engine: postgresql, host: db.example.com, database: x, auth: "env:X"}
routes:
  - listen: tcp:127.0.0.1:6432
    target: t
    tls: {cert: tls.crt, client_crl: /crl, requird: true}
    allow: [{certificate: "spiffe://example.org/ns/*"}]
  - listen: tcp:127.0.0.1:6433
    target: t
    tls: {cert: /c, key: /k, client_crl: /crl, required: maybe}
    allow: [{certificate: "spiffe://*/x"}]
)",
       {"7:5: `key` is missing in `routes[1].tls`. Add it: PEM file with the certificate's private key, "
        "not readable by everybody.",
        "7:17: `cert` is `tls.crt`, expected: absolute path. Write it from the root: a relative path would "
        "depend on "
        "where we were started.",
        "7:38: `client_crl` without `client_ca`: no certificate would be checked. Name the authorities of "
        "the "
        "clients in `client_ca`.",
        "7:44: unknown key `requird` in `routes[1].tls`. Did you mean `required`?",
        "8:27: `certificate` never holds: the route has no `tls.client_ca`. Name the authorities that sign "
        "the "
        "clients' certificates: `tls: {client_ca: FILE, …}`.",
        "11:42: `client_crl` without `client_ca`: no certificate would be checked. Name the authorities of "
        "the "
        "clients in `client_ca`.",
        "11:58: `required` is `maybe`, expected `true` or `false`",
        "12:27: `certificate` `spiffe://*/x` is no SPIFFE ID: its trust domain is not made of a-z, 0-9, `.`, "
        "`-` "
        "and `_`. Example: `spiffe://example.org/ns/*/sa/app`; `*` stands for one whole segment."}},
      {"AuditAndStateAreWrong",
       R"(version: 1
audit: {mode: requird, dir: audit, durability: high}
state: state.db
)",
       {"2:15: `mode` is `requird`, expected `required` or `best-effort`. Did you mean `required`?",
        "2:29: `dir` is `audit`, expected: absolute path. Write it from the root: a relative path would "
        "depend on where we were started.",
        "2:48: `durability` is `high`, expected `process` or `power`",
        "3:8: `state` is `state.db`, expected `sqlite:` and an absolute file. Example: "
        "`sqlite:/var/lib/sallyport/state.db`."}},
      {"ListenIsNoListen",
       R"(version: 1
targets:
  p: {engine: postgresql, host: db.example.com, database: x, auth: "env:X"}
routes:
  - {listen: /run/x, target: p, allow: [{user: app}]}
  - {listen: unix:run/x, target: p, allow: [{user: app}]}
  - {listen: "unix:/run/x:99999", target: p, allow: [{user: app}]}
  - {listen: "unix:/run/x:", target: p, allow: [{user: app}]}
  - {listen: unix:/run/x/, target: p, allow: [{user: app}]}
  - {listen: unix:/run/xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx, target: p, allow: [{user: app}]}
  - {listen: http://x, target: p, allow: [{user: app}]}
  - {listen: unix:/run/x/.s.PGSQL.5432, target: p, allow: [{user: app}]}
)",
       {"5:14: `listen` is `/run/x`, expected `unix:DIR[:PORT]` or `tcp:ADDRESS:PORT`. Write `unix:` in "
        "front of the directory.",
        "6:14: the directory of `unix:run/x` is no plain absolute path. Write it from the root, without `.`, "
        "`..`, doubled slashes and a slash at the end.",
        "7:14: the port of `unix:/run/x:99999` is not between 1 and 65535. The socket is DIR/.s.PGSQL.PORT; "
        "clients find it by both.",
        "8:14: the port of `unix:/run/x:` is not between 1 and 65535. The socket is DIR/.s.PGSQL.PORT; "
        "clients find it by both.",
        "9:14: the directory of `unix:/run/x/` is no plain absolute path. Write it from the root, without "
        "`.`, `..`, doubled slashes and a slash at the end.",
        "10:14: the socket path DIR/.s.PGSQL.PORT would be longer than 107 bytes. Use a shorter directory: "
        "the kernel takes no more.",
        "11:14: `listen` is `http://x`, expected `unix:DIR[:PORT]` or `tcp:ADDRESS:PORT`. Example: "
        "`unix:/run/sallyport/app:5432`.",
        "12:14: `unix:/run/x/.s.PGSQL.5432` is a socket, expected its directory. Write `unix:/run/x`: the "
        "socket becomes DIR/.s.PGSQL.PORT."}},
      {"TwoRoutesShareAListen",
       R"(version: 1
targets:
  p: {engine: postgresql, host: db.example.com, database: x, auth: "env:X"}
routes:
  - {listen: unix:/run/ok, target: p, allow: [{user: app}]}
  - {listen: "unix:/run/ok:5432", target: p, allow: [{user: app}]}
  - {listen: "unix:/run/ok:5433", target: p, allow: [{user: app}]}
)",
       {"6:14: this `listen` is also that of the route at line 5. Join their `allow` rules, or give one "
        "another directory or port."}},
      {"RulesNameNobodyOrTheWrong",
       R"(version: 1
targets:
  prod: {engine: postgresql, host: db.example.com, database: x, roles: {rw: "env:X", readonly: "env:Y"}}
routes:
  - listen: unix:/run/x
    target: prod
    allow: [{user: ap, role: readonyl}, {role: rw}, {user: nobody, role: zz}, {group: 65534, role: rw}, replication, {user: 4294967295}, {user: 99999999999, role: rw}, {group: nix, role: rw}]
  - {listen: unix:/run/y, target: prd, allow: [{user: app}]}
  - {listen: unix:/run/z, target: prod, allow: []}
  - {listen: unix:/run/a, target: other, allow: {user: app}}
)",
       {"7:20: there is no user `ap` on this machine. Create it, or write its number.",
        "7:30: target `prod` has no role `readonyl`. Did you mean `readonly`?",
        "7:41: the rule names neither `user`, `group`, `unit`, `cgroup`, `certificate` nor `verifier`, so it "
        "would let everybody in. "
        "Add e.g. `user: NAME`.",
        "7:60: user `nobody` is 65534, which the kernel shows for every unknown user. Give the application a "
        "user of its own.",
        "7:74: target `prod` has no role `zz`. Roles: `readonly` or `rw`.",
        "7:87: group `65534` is 65534, which the kernel shows for every unknown group. Give the application "
        "a group of its own.",
        "7:105: `routes[1].allow[5]` is a single value, expected: map. Write `key: value` lines below it, or "
        "`{key: value}`.",
        "7:118: the rule names no `role`, and target `prod` has several. Write `role:` with `readonly` or "
        "`rw`.",
        "7:125: there is no user `4294967295` on this machine. Create it, or write its number.",
        "7:145: there is no user `99999999999` on this machine. Create it, or write its number.",
        "7:177: there is no group `nix` on this machine. Create it, or write its number.",
        "8:35: there is no target `prd`. Did you mean `prod`?",
        "9:48: `allow` is empty: nobody could use the route. Add e.g. `- {user: app}`.",
        "10:35: there is no target `other`. Targets: `prod`.",
        "10:49: `allow` is a map, expected: list. Begin each element with `- `, or write `[…, …]`."}},
      {"AliasStartsAPassword",
       R"(version: 1
a: *hunter2
)",
       {"2:4: this is not YAML: the referenced anchor is not defined. A value that begins with `*` needs "
        "quotes."}},
      {"AliasHoldsItself",
       R"(version: 1
a: &a [*a]
)",
       {"2:8: an alias stands inside what it names. Write the value out."}},
      {"SecondDocument",
       R"(version: 1
---
version: 1
)",
       {"2:1: a second YAML document begins here. Keep one document: remove `---`, and check that this line "
        "is indented as those above it."}},
      {"BracketIsOpen",
       R"(version: 1
targets: {a: [1
)",
       {"3:1: this is not YAML: end of sequence flow not found. Check quotes, brackets and indentation here "
        "and on the line above."}},
      {"TabIndents",
       R"(version: 1
targets:
	a: b
)",
       {"3:3: this is not YAML: illegal map value. Check the indentation; a value with a colon and a space "
        "in it needs quotes."}},
      {"ValueNeedsQuotes",
       R"(version: 1
state: @x
)",
       {"2:8: this is not YAML: unknown token. A value that begins with one of @ ` % needs quotes."}},
      {"ColonInPlainValue",
       R"(version: 1
state: a: b
)",
       {"2:9: this is not YAML: illegal map value. Check the indentation; a value with a colon and a space "
        "in it needs quotes."}},
      {"DottedKeysAreNoKeys",
       R"(version: 1
targets.p: {}
audit.mode: best-effort
routes[]: {}
targets:
  p: {engine: postgresql, host: db.example.com, database: x, auth: "env:X", tls.mode: disable, pool.max: 3, sslmode: disable, roles.a: "env:Y", "roles.*": x}
)",
       {"2:1: unknown key `targets.p`. Did you mean `targets`?",
        "3:1: unknown key `audit.mode`. Write `audit: {mode: …}`.",
        "4:1: unknown key `routes[]`. Did you mean `routes`?",
        "6:77: unknown key `tls.mode` in `targets.p`. Write `tls: {mode: …}`.",
        "6:96: unknown key `pool.max` in `targets.p`. Write `pool: {max: …}`.",
        "6:109: unknown key `sslmode` in `targets.p`. Here it is called `tls: {mode: …}`.",
        "6:127: unknown key `roles.a` in `targets.p`. Did you mean `roles`?",
        "6:145: unknown key `roles.*` in `targets.p`. Did you mean `roles`?"}},
      {"SourcesFindMistakesWithoutIo",
       R"(version: 1
targets:
  r: {engine: postgresql, host: db.example.com, database: x, auth: "env:9X"}
)",
       {"3:68: `auth`: this is no name of a variable. Write for example env:DB_PASSWORD."}},
      {"ReferencesSayWhatTargetsSay",
       R"(version: 1
targets:
  r: {engine: postgresql, host: db.example.com, database: x, auth: "env:X?host=other.example.com&run_as=admin"}
  s: {engine: postgresql, host: db.example.com, database: x, auth: "file:/x?sslrootcert=/y&dbname=z"}
)",
       {"3:68: the reference says `host`, which the target says here. Remove it from the reference and write "
        "`host`.",
        "3:68: the reference says `run_as`, which the target says here. Remove it from the reference and "
        "write `run_as`.",
        "4:68: the reference says `dbname`, which the target says here. Remove it from the reference and "
        "write `database`.",
        "4:68: the reference says `sslrootcert`, which the target says here. Remove it from the reference "
        "and write `tls: {roots: …}`."}},
  };
}

TEST(ConfigReferences, NoAttributeOfATargetIsLetPastAndForgotten) {
  for (const auto& [attribute, effect] : secrets::target_attributes) {
    const auto errors = errors_of(
        "version: 1\ntargets: {t: {engine: postgresql, host: h.example.com, database: d, auth: \"env:X?" +
        std::string{attribute} + "=x\"}}\n");
    ASSERT_EQ(errors.size(), 1u) << attribute;
    EXPECT_NE(errors[0].find("the reference says `" + std::string{attribute} + "`"), std::string::npos)
        << errors[0];
  }
}

class ConfigBad : public ::testing::TestWithParam<BadFile> {};

TEST_P(ConfigBad, SaysWhatIsWrongWhereAndHowToMendIt) {
  EXPECT_EQ(errors_of(GetParam().yaml), GetParam().errors);
}

TEST_P(ConfigBad, NeverRepeatsAPassword) {
  for (const auto& error : errors_of(GetParam().yaml))
    EXPECT_EQ(error.find("hunter2"), std::string::npos) << error;
}

INSTANTIATE_TEST_SUITE_P(Files, ConfigBad, ::testing::ValuesIn(bad_files()),
                         [](const auto& file) { return file.param.name; });

}  // namespace
}  // namespace sallyport::config::bad_test
