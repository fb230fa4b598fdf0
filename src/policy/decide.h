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

/// Of the connecting process, from the kernel (SO_PEERCRED, SO_PEERGROUPS); of its TLS handshake.
struct PeerIdentity {
  std::optional<std::uint32_t> uid = {};   ///< none: not known, as for a peer over TCP to `serve`
  std::optional<std::uint32_t> gid = {};   ///< none: not known, as for a peer over TCP
  std::vector<std::uint32_t> groups = {};  ///< supplementary; may be left empty
  std::shared_ptr<const ClientCertificate> certificate = {};  ///< null: none was shown
};

/// From the client's start-up packet: not verified.
struct ClientClaims {
  std::string user;
  std::string database;  ///< empty: none asked for
};

struct Decision {
  std::string role;      ///< a key of Target::roles
  std::string database;  ///< never empty
  std::string run_as;    ///< start-up parameter `role`; empty: none
  std::size_t rule = 0;  ///< index into Route::allow that gave the role
  std::string
      identity;  ///< "uid:1000(app)", "uid:1000", "gid:50(staff) uid:1000", "cert:spiffe://…": verified parts only
};

/// What the kernel shows for users of other user namespaces and what strangers get: never an identity.
inline constexpr std::uint32_t overflow_id = 65'534;

/// The roles of all rules that the peer matches are what it may have. With one, any user name will do (it is
/// recorded as claimed); with several, the user name asked for must be one of them. A rule without role
/// means the target's only role. The database asked for must be one of the target's; none asked for means
/// the first, or where any is allowed the user name, as PostgreSQL has it.
///
/// Errors  denied, hop policy: `where` is the route; `what` and `hint` are for the log, never for the wire:
///         they tell who may do what. Claimed texts in them are shortened and made printable.
Result<Decision> decide(const Route& route, const Target& target, const PeerIdentity& peer,
                        const ClientClaims& claims);

/// "uid:1000(app)", "cert:dns:app.example.com" as decide() writes it for this rule.
std::string identity_text(const PeerIdentity& peer, const AllowRule& rule);

}  // namespace sallyport::policy
