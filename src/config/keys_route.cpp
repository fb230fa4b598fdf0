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
         "by `certificate`."},
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
    later("routes[].allow[].verifier", "A local password's verifier, made by `sallyport passwd`."),
    later("routes[].allow[].executable", "Narrows `user` to one program."),
    later("routes[].allow[].cgroup", "Control group of the connecting process."),
    later("routes[].allow[].unit", "systemd unit of the connecting process."),
    later("routes[].allow[].allow_namespaced", "Admit processes of other user namespaces."),
    later("routes[].allow[].addresses", "CIDR ranges that TCP clients may come from."),
    later("routes[].allow[].hours", "When the rule holds."),
    later("routes[].allow[].connections_max", "Sessions at once for each identity."),
    later("routes[].allow[].replication", "Admit replication sessions."),
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
     .meaning = "PEM file with the certificate's private key, which nobody else may read."},
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
    {.path = "reload",
     .shape = Shape::map,
     .fallback = "defaults",
     .meaning = "What a reload does to live sessions."},
    {.path = "reload.grace",
     .kind = Kind::duration,
     .fallback = "`30 s`",
     .meaning = "Sessions that the new configuration refuses end at the end of their transaction, at the "
                "latest after "
                "this time.",
     .min = second_ms,
     .max = 60 * minute_ms},
    later("relay_threads", "Loops that relay, shared by target."),
});

}  // namespace

std::span<const Key> route_keys() { return table; }

}  // namespace sallyport::config
