// What the broker asks of the world outside its loop. cli/ wires the real ones (driver, /proc); the
// simulator has its own, so that it runs the real sessions and pools.
#pragma once

#include "base/limits.h"
#include "base/result.h"
#include "credentials/generation.h"
#include "net/dns.h"
#include "net/server_tls.h"
#include "net/stream.h"
#include "net/tls.h"
#include "policy/client_certificate.h"
#include "policy/decide.h"
#include "policy/target.h"
#include "wire/postgres/client_login.h"

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace sallyport::broker {

/// How a target's servers are reached; shared by all pools of the target.
struct Reach {
  std::vector<Endpoint> endpoints;             ///< in the order of preference
  std::shared_ptr<const net::TlsContext> tls;  ///< null: TLS is switched off by the target's policy
  SessionAttributes wanted = SessionAttributes::any;
  LoadBalance load_balance = LoadBalance::off;

  /// Set where a cloud's connector leads there: `endpoints` and `tls` are its, and TLS comes first.
  std::shared_ptr<const secrets::Access> access = nullptr;
  std::shared_ptr<const Credential> certificate = nullptr;  ///< with `access`: of cancels, too
};

/// Of a credential that is not renewed any more.
struct CredentialEnd {
  MonotonicTime deadline{};  ///< by then its sessions have moved, or been told
  Duration doubt{};          ///< it may live this much longer: its manager was slow to say when it ends
};

/// One login that a pool wants.
struct ConnectRequest {
  std::shared_ptr<const Reach> reach;
  Endpoint endpoint;                    ///< one of reach's; HostConnector says which
  std::optional<net::Address> address;  ///< of the endpoint; none: connect() looks it up
  Duration deadline = limits::upstream_login_deadline;
  std::string user;  ///< empty: the credential's
  std::string database;
  postgres::Parameters parameters;  ///< the profile, and `role` for run_as
  postgres::LoginMethods methods;
  credentials::GenerationPtr generation;
};

/// A server connection that is logged in and idle, on its way to a pool.
struct Connected {
  std::unique_ptr<net::Stream> stream;
  postgres::UpstreamGreeting greeting;
  std::optional<net::Address> address;  ///< where a cancel has to go
  Endpoint endpoint;                    ///< that it is at
};

struct CancelOrder {
  std::shared_ptr<const Reach> reach;
  Endpoint endpoint;
  std::optional<net::Address> address;
  std::int32_t pid = 0;
  std::vector<std::uint8_t> key;
};

/// How a cancel ended.
struct CancelOutcome {
  Result<void> taken = {};  ///< the server has closed the connection that carried it: it has acted
  bool at_large = false;    ///< it failed behind bytes of the request: these may still arrive
};

/// All callbacks come on the relay loop, never from within the call.
class Connector {
 public:
  virtual ~Connector() = default;
  virtual void connect(ConnectRequest request, std::function<void(Result<Connected>)> done) = 0;
  /// All addresses of an endpoint, in the system's order, asked anew each time.
  virtual void resolve(const Endpoint& endpoint, Duration deadline,
                       std::function<void(Result<std::vector<net::Address>>)> done) = 0;
  /// `done` comes when the server has acted, or when that failed.
  virtual void cancel(CancelOrder order, std::function<void(CancelOutcome)> done) = 0;
};

/// A client that is to get TLS.
struct HandshakeRequest {
  std::unique_ptr<net::Stream> client;
  std::shared_ptr<const net::ServerTls> tls;
  std::vector<std::uint8_t> first_bytes;  ///< read already: of TLS, and nothing else
  bool direct = false;                    ///< it began with TLS, without an SSLRequest
  Duration deadline{};
};

struct HandshakeResult {
  std::unique_ptr<net::Stream>
      client;  ///< unread bytes may wait in it: read once before waiting for an event.
               ///< After a failure without TLS, only to be closed; null: closed already
  Result<net::ClientTlsFacts> facts;
};

/// Handshakes with clients, somewhere else than on the relay loop. All callbacks come on the relay loop, never from
/// within the call.
class Handshaker {
 public:
  using Id = std::uint64_t;  ///< never 0
  virtual ~Handshaker() = default;
  virtual Id shake_hands(HandshakeRequest request, std::function<void(HandshakeResult)> done) = 0;
  /// The connection is closed. `done` may come all the same, if it was on its way.
  virtual void cancel(Id id) = 0;
};

/// What was checked about whoever is at a client's end.
struct ProvenPeer {
  std::int64_t pid = 0;                    ///< 0: not seen
  std::optional<std::uint32_t> uid;        ///< none: not known, as of TCP peers of `serve`
  std::optional<std::uint32_t> gid;        ///< none: the kernel does not tell (TCP)
  std::string executable;                  ///< for the trail; proof of nothing
  std::vector<std::uint32_t> groups = {};  ///< supplementary
  std::string address = {};                ///< of a TCP peer, without port
  std::shared_ptr<const policy::ClientCertificate> certificate = {};  ///< the session fills it in
  std::string login = {};                            ///< whose local password it proved; empty: none
  std::optional<policy::ExecutableId> program = {};  ///< where a rule asks for it
  std::string cgroup = {};                           ///< likewise
  bool namespaced = false;                           ///< of another user namespace, or not to be told
  bool operator==(const ProvenPeer&) const = default;
};

/// As policy takes it.
policy::PeerIdentity identity_of(const ProvenPeer& peer);

class PeerProver {
 public:
  virtual ~PeerProver() = default;
  /// `peer` gets what could be seen of the process, also of one that is not served: the trail names it.
  ///
  /// Errors  denied, hop identity: why this process is not served.
  virtual Result<void> prove(net::Stream& client, ProvenPeer& peer) = 0;
};

}  // namespace sallyport::broker
