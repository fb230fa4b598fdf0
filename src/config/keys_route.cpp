// The second half of the table: `routes` and what concerns the whole process.
#include "config/keys.h"

#include <array>

namespace sallyport::config {
namespace {

constexpr auto table = std::to_array<Key>({
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
     .meaning =
         "`unix:DIR[:PORT]`: the socket is `DIR/.s.PGSQL.PORT`, port 5432 if left out. Or "
         "`tcp:ADDRESS:PORT`, an IP address of this machine (IPv6 in brackets): clients show who they are "
         "by `certificate` or `verifier`."},
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
     .meaning = "Group of the connecting process, its own or a supplementary one, by name or gid."},
    {.path = "routes[].allow[].role",
     .kind = Kind::text,
     .fallback = "the target's only role",
     .meaning = "The role that whoever matches may have."},
    {.path = "routes[].allow[].certificate",
     .kind = Kind::text,
     .fallback = "any",
     .meaning = "Name in the client's certificate: the whole subject (`CN=app,O=Example`), a DNS name "
                "(`dns:app.example.com`), or a SPIFFE ID, in which `*` stands for one segment of the path "
                "(`spiffe://example.org/ns/*/sa/app`). Needs `tls.client_ca`."},
    {.path = "routes[].allow[].verifier",
     .kind = Kind::path,
     .fallback = "none",
     .meaning =
         "File of local passwords, made by `sallyport passwd`: the client has to prove the one of the user "
         "name that it asks for."},
    {.path = "routes[].allow[].login",
     .shape = Shape::scalar_or_list,
     .kind = Kind::text,
     .fallback = "all names in the file",
     .meaning = "With `verifier`: the names that the rule is for."},
    {.path = "routes[].allow[].executable",
     .kind = Kind::path,
     .fallback = "any",
     .meaning =
         "Narrows `user` to processes that run this very file (device, inode, unchanged since the file was "
         "read); no script."},
    {.path = "routes[].allow[].executable_sha256",
     .kind = Kind::text,
     .fallback = "not checked",
     .meaning = "With `executable`: the file's SHA-256 in hex; another one is an error."},
    {.path = "routes[].allow[].cgroup",
     .kind = Kind::path,
     .fallback = "any",
     .meaning = "Control group of the connecting process, or one above it."},
    {.path = "routes[].allow[].unit",
     .kind = Kind::text,
     .fallback = "any",
     .meaning = "systemd unit (`.service` or `.scope`) of the connecting process, of the system's manager."},
    {.path = "routes[].allow[].allow_namespaced",
     .kind = Kind::choice,
     .fallback = "`false`",
     .meaning = "Whether processes of other user namespaces (rootless containers) match `user`, `group`, "
                "`cgroup` and "
                "`unit`.",
     .choices = "true|false"},
    {.path = "routes[].allow[].addresses",
     .shape = Shape::scalar_or_list,
     .kind = Kind::text,
     .fallback = "any",
     .meaning = "CIDR ranges that TCP clients may come from."},
    {.path = "routes[].allow[].hours",
     .shape = Shape::scalar_or_list,
     .kind = Kind::text,
     .fallback = "always",
     .meaning =
         "When a session may begin by the rule: `[DAYS] HH:MM-HH:MM ZONE`, by the clocks of that place. Of "
         "several one has to be open."},
    {.path = "routes[].allow[].database",
     .shape = Shape::scalar_or_list,
     .kind = Kind::text,
     .fallback = "all of the target's",
     .meaning =
         "Databases that the rule gives; whoever asks for none gets the first. A rule with it admits no "
         "replication of the whole server."},
    {.path = "routes[].allow[].connections_max",
     .kind = Kind::integer,
     .fallback = "no limit",
     .meaning = "Sessions at once of each identity that the rule admits.",
     .min = 1,
     .max = 100'000},
    {.path = "routes[].allow[].replication",
     .kind = Kind::choice,
     .fallback = "`false`",
     .meaning = "Whether replication sessions (pg_basebackup, pg_receivewal, logical decoding) may begin by "
                "the rule.",
     .choices = "true|false"},
    {.path = "routes[].tls",
     .shape = Shape::map,
     .fallback = "none: clients are told that there is no TLS",
     .meaning =
         "TLS towards clients. Its files are looked at every 10 s, and read anew when they have changed."},
    {.path = "routes[].tls.cert",
     .kind = Kind::path,
     .required = true,
     .fallback = "none",
     .meaning = "PEM file with the route's certificate, then its chain."},
    {.path = "routes[].tls.key",
     .kind = Kind::path,
     .required = true,
     .fallback = "none",
     .meaning = "PEM file with the certificate's private key, not readable by everybody."},
    {.path = "routes[].tls.client_ca",
     .kind = Kind::path,
     .fallback = "no client certificate is asked for",
     .meaning =
         "PEM file with the authorities that may sign client certificates. Whoever controls one of them can "
         "be any of the names in `allow`."},
    {.path = "routes[].tls.client_crl",
     .kind = Kind::path,
     .fallback = "not checked",
     .meaning = "PEM file with certificate revocation lists, one of each authority in a client's chain."},
    {.path = "routes[].tls.required",
     .kind = Kind::choice,
     .fallback = "`true` on TCP beyond loopback, else `false`",
     .meaning = "Whether a client that does not ask for TLS is refused.",
     .choices = "true|false"},
    {.path = "routes[].tls.clear_cancel",
     .kind = Kind::choice,
     .fallback = "`false`",
     .meaning =
         "Whether a cancel may come without TLS, from the address of its session: pgjdbc and libpq before 17 "
         "send them so. Who reads it on its way may cancel that session's queries.",
     .choices = "true|false"},
    {.path = "routes[].addresses",
     .shape = Shape::scalar_or_list,
     .kind = Kind::text,
     .fallback = "any",
     .meaning = "CIDR ranges that TCP clients may come from, whatever rule admits them."},
    {.path = "routes[].hours",
     .shape = Shape::scalar_or_list,
     .kind = Kind::text,
     .fallback = "always",
     .meaning = "When the route is open for new sessions."},
    {.path = "routes[].connections_max",
     .kind = Kind::integer,
     .fallback = "no limit",
     .meaning = "Sessions at once on the route.",
     .min = 1,
     .max = 100'000},
    {.path = "routes[].connections_per_second_max",
     .kind = Kind::integer,
     .fallback = "no limit",
     .meaning = "New sessions on the route in each second; as many may come at one moment.",
     .min = 1,
     .max = 1'000'000},
    {.path = "routes[].session_age_max",
     .kind = Kind::duration,
     .fallback = "no limit",
     .meaning = "A session that has lived for so long ends at the end of its transaction.",
     .min = second_ms,
     .max = 365 * day_ms},

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
    {.path = "reload",
     .shape = Shape::map,
     .fallback = "defaults",
     .meaning = "What a reload does to live sessions."},
    {.path = "reload.grace",
     .kind = Kind::duration,
     .fallback = "`30 s`",
     .meaning = "Sessions that the new configuration refuses end at the end of their transaction, at the "
                "latest after this time. It counts from the first reload that refuses them: another one puts "
                "nothing off.",
     .min = second_ms,
     .max = 60 * minute_ms},
    {.path = "upgrade",
     .shape = Shape::map,
     .fallback = "defaults",
     .meaning = "What a [binary upgrade](operations.md#upgrade) does to live sessions."},
    {.path = "upgrade.drain_max",
     .kind = Kind::duration,
     .fallback = "`24 h`",
     .meaning =
         "How long the Sallyport that was taken over from waits for its sessions to end by themselves. "
         "Those that are left then end as after SIGTERM. Its own SIGTERM gives them five minutes.",
     .min = second_ms,
     .max = 30 * day_ms},
    {.path = "limits", .shape = Shape::map, .fallback = "defaults", .meaning = "Of the whole process."},
    {.path = "limits.clients_max",
     .kind = Kind::integer,
     .fallback = "20000",
     .meaning = "Client connections at once, let in or not. One more is refused with SQLSTATE 53300. Fewer "
                "where the "
                "descriptor limit allows fewer: two for each client, and 128.",
     .min = 1,
     .max = 1'000'000},
    {.path = "sandbox",
     .kind = Kind::choice,
     .fallback = "`auto`",
     .meaning = "Of `serve`: what it can reach of the machine beside its work: "
                "[operations.md](operations.md#sandbox). `auto`: as little as the kernel can enforce; "
                "`required`: a start without all of it fails; `off`.",
     .choices = "auto|required|off"},
    {.path = "identity",
     .shape = Shape::map,
     .fallback = "none",
     .meaning =
         "What cloud identities need beside what references say, in the [sandbox](operations.md#sandbox)."},
    {.path = "identity.programs",
     .shape = Shape::scalar_or_list,
     .kind = Kind::text,
     .fallback = "none",
     .meaning =
         "Commands that may be run for an identity: `credential_process` of AWS, `az`, `executable` of GCP. "
         "Words as in `exec:`, the program's whole path first; more words may follow those that are named."},
    {.path = "identity.files",
     .shape = Shape::scalar_or_list,
     .kind = Kind::path,
     .fallback = "none",
     .meaning =
         "Files that an identity's own file names (`web_identity_token_file`, `credential_source.file`): "
         "read, with what stands beside them."},
    later("relay_threads", "Loops that relay, shared by target."),
});

}  // namespace

std::span<const Key> route_keys() { return table; }

}  // namespace sallyport::config
