// What the broker asks of the world outside its loop. cli/ wires the real ones (driver, /proc); the
// simulator has its own, so that it runs the real sessions and pools.
#pragma once

#include "base/result.h"
#include "credentials/generation.h"
#include "net/dns.h"
#include "net/stream.h"
#include "net/tls.h"
#include "policy/target.h"
#include "wire/postgres/client_login.h"

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace sallyport::broker {

/// How a target's server is reached; shared by all pools of the target.
struct Reach {
  Endpoint endpoint;
  std::shared_ptr<const net::TlsContext> tls;  ///< null: TLS is switched off by the target's policy
};

/// One login that a pool wants.
struct ConnectRequest {
  std::shared_ptr<const Reach> reach;
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
};

struct CancelOrder {
  std::shared_ptr<const Reach> reach;
  std::optional<net::Address> address;
  std::int32_t pid = 0;
  std::vector<std::uint8_t> key;
};

/// All callbacks come on the relay loop, never from within the call.
class Connector {
 public:
  virtual ~Connector() = default;
  virtual void connect(ConnectRequest request, std::function<void(Result<Connected>)> done) = 0;
  /// `done` comes when the server has acted, or when that failed.
  virtual void cancel(CancelOrder order, std::function<void(Result<void>)> done) = 0;
};

/// What was checked about the process at a client's end.
struct ProvenPeer {
  std::int64_t pid = 0;  ///< 0: not seen
  std::uint32_t uid = 0;
  std::optional<std::uint32_t> gid;        ///< none: the kernel does not tell (TCP)
  std::string executable;                  ///< for the trail; proof of nothing
  std::vector<std::uint32_t> groups = {};  ///< supplementary
};

class PeerProver {
 public:
  virtual ~PeerProver() = default;
  /// `peer` gets what could be seen of the process, also of one that is not served: the trail names it.
  ///
  /// Errors  denied, hop identity: why this process is not served.
  virtual Result<void> prove(net::Stream& client, ProvenPeer& peer) = 0;
};

}  // namespace sallyport::broker
