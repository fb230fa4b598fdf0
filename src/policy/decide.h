// Policy: who connects, on which route, becomes which role, in which database. Pure, so that the session
// and `policy explain` get the same answer from the same code.
//
// Only what was verified decides who somebody is. What the client claims (user name, database) chooses
// among what its identity may have, and never adds to it.
#pragma once

#include "base/result.h"
#include "policy/client_certificate.h"
#include "policy/target.h"

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace sallyport::policy {

/// What was verified of the client: its process by the kernel (SO_PEERCRED, SO_PEERGROUPS), the rest by a proof.
struct PeerIdentity {
  std::optional<std::uint32_t> uid = {};                      ///< none: no process is known
  std::optional<std::uint32_t> gid = {};                      ///< none: not known, as for a peer over TCP
  std::vector<std::uint32_t> groups = {};                     ///< supplementary; may be left empty
  std::shared_ptr<const ClientCertificate> certificate = {};  ///< null: none was shown
  std::string login = {};                                     ///< whose local password it proved; empty: none
  std::optional<IpAddress> address = {};                      ///< none: not over IP
  std::optional<ExecutableId> executable = {};                ///< none: not asked for, or not to be seen
  std::string cgroup = {};                                    ///< empty: likewise
  bool namespaced = false;                                    ///< the process is of another user namespace
};

/// The start-up parameter of that name.
enum class Replication : std::uint8_t {
  none,
  physical,  ///< "true": no database
  logical,   ///< "database"
};

/// Of that parameter's text: "database", or a truth value as PostgreSQL reads them; what is neither counts as true.
Replication replication_of(std::string_view parameter);

/// From the client's start-up packet: not verified.
struct ClientClaims {
  std::string user;
  std::string database;  ///< empty: none asked for
  Replication replication = Replication::none;
  bool operator==(const ClientClaims&) const = default;
};

struct Decision {
  std::string role;      ///< a key of Target::roles
  std::string database;  ///< never empty; "replication" for a physical replication session
  std::string run_as;    ///< start-up parameter `role`; empty: none
  std::size_t rule = 0;  ///< index into Route::allow that gave the role
  /// "uid:1000(app)", "uid:1000", "gid:50(staff) uid:1000", "cert:spiffe://…", "password:alice": verified parts only
  std::string identity;
  Replication replication = Replication::none;
  bool operator==(const Decision&) const = default;
};

/// What the kernel shows for users of other user namespaces and what strangers get: never an identity.
inline constexpr std::uint32_t overflow_id = 65'534;

/// The roles of all rules that the peer matches are what it may have. With one, any user name will do (it is
/// recorded as claimed); with several, the user name asked for must be one of them, or the one whose password
/// was proven: then the first rule that matches decides. A rule without role means the target's only role.
///
/// The database asked for must be one of the target's; none asked for means the first, or where any is allowed the
/// user name, as PostgreSQL has it.
///
/// Errors  denied, hop policy: `where` is the route; `what` and `hint` are for the log, never for the wire:
///         they tell who may do what. Claimed texts in them are shortened and made printable.
Result<Decision> decide(const Route& route, const Target& target, const PeerIdentity& peer,
                        const ClientClaims& claims, WallTime now);

/// No rule matches, but one would if the client proved a local password: then it is asked for one. That depends on
/// nothing but who is known to be there, so it tells nothing about names.
bool asks_password(const Route& route, const PeerIdentity& peer, const ClientClaims& claims, WallTime now);

/// "uid:1000(app)", "cert:dns:app.example.com" as decide() writes it for this rule.
std::string identity_text(const PeerIdentity& peer, const AllowRule& rule);

}  // namespace sallyport::policy
