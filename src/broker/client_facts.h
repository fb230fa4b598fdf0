// Who a client is, what it asked for and what it was given: what its login has found out, for as long as it stays.
//
// Clients come by the thousands, and those of one program are alike but for their pids. So they share one copy.
#pragma once

#include "broker/origin.h"
#include "broker/ports.h"
#include "broker/reported_parameters.h"
#include "broker/upstream.h"
#include "policy/decide.h"

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>

namespace sallyport::broker {

class Pool;

/// What policy and the pools give an admitted client.
struct Access {
  std::shared_ptr<Pool> pool;
  policy::Decision decision;
  std::string target;
  bool operator==(const Access&) const = default;
};

struct ClientFacts {
  Origin origin;    ///< at accept; the proof comes later
  ProvenPeer peer;  ///< its pid is 0 where the facts are shared
  std::string tls;  ///< "TLSv1.3 TLS_AES_128_GCM_SHA256"; empty: it did not come over TLS
  policy::ClientClaims claims;
  std::optional<std::string> application_name;  ///< nullopt: what the server gives it
  Access access;
  PoolKey key;
  ReportedParameters told;  ///< in its greeting
  bool operator==(const ClientFacts&) const = default;
};

/// The facts of clients that are there. It keeps none of them alive. In order, and of many with one hash only the first
/// few are compared: a client must not be able to make facts that are slow to find.
class KnownClients {
 public:
  /// The same facts as others have, if they are equal.
  std::shared_ptr<const ClientFacts> share(ClientFacts facts);
  [[nodiscard]] std::size_t size() const { return known_.size(); }

 private:
  void share_certificate(std::shared_ptr<const policy::ClientCertificate>& certificate);
  void sweep();

  static constexpr int compared_max = 8;

  std::multimap<std::size_t, std::weak_ptr<const ClientFacts>> known_;                  // by hash
  std::map<std::string, std::weak_ptr<const policy::ClientCertificate>> certificates_;  // by SHA-256
  std::size_t sweep_at_ = 64;
};

}  // namespace sallyport::broker
