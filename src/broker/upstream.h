// One server connection, logged in, with what it takes to give it to the next session.
#pragma once

#include "broker/ports.h"
#include "broker/reported_parameters.h"
#include "credentials/slot.h"
#include "wire/postgres/statements.h"

#include <memory>
#include <string>

namespace sallyport::broker {

/// What makes two server connections interchangeable. `application_name` is not part of it: it is SET.
struct PoolKey {
  std::string database;
  std::string identity;          ///< pools are not shared between identities (threat 4)
  postgres::Parameters profile;  ///< start-up parameters, sorted by name
  /// Such a connection is one session's own: it is neither reset nor kept.
  policy::Replication replication = policy::Replication::none;
  // clang-tidy 14 takes the 0 that a defaulted <=> is compared with for a pointer.
  auto operator<=>(const PoolKey&) const = default;  // NOLINT(modernize-use-nullptr)
};

struct Upstream {
  std::unique_ptr<net::Stream> stream;
  /// No other connection has it, of any pool: the servers of two hosts may give the same pid.
  std::uint64_t number = 0;
  PoolKey key;
  credentials::Hold hold;  ///< keeps its generation leased
  std::uint64_t generation = 0;
  std::uint64_t epoch = 0;  ///< of its pool and its key: refresh() and reconnect() end one
  std::shared_ptr<const Reach> reach;
  Endpoint endpoint;
  bool was_standby = false;    ///< its server, when it logged in
  bool write_refused = false;  ///< the server has answered 25006
  MonotonicTime logged_in_at{};
  std::optional<net::Address> address;            ///< where a cancel goes
  std::string host, peer_address, local_address;  ///< for the trail
  ReportedParameters parameters;                  ///< as the server reported them last
  ReportedParameters at_login;                    ///< and first: what RESET returns to
  postgres::UpstreamStatements statements;        ///< transaction pooling: those that we have prepared on it
  std::int32_t pid = 0;
  std::vector<std::uint8_t> cancel_key;
  TlsFacts tls;
  std::string user;        ///< what the server knows us as
  std::string start_role;  ///< that its sessions begin with (run_as, ALTER ROLE … SET role); empty: not asked
  std::string lease_accessor;
  MonotonicTime close_after{};     ///< jittered lifetime
  bool for_move = false;           ///< its session still has the connection that this one replaces
  std::uint64_t turns = 0;         ///< how often it has been lent (transaction pooling)
  unsigned cancels_in_flight = 0;  ///< it gets no other owner before they are done
  bool cancel_at_large = false;    ///< nor ever: one may come at any time, and would hit whoever has it then
};

/// Of no other connection, and no other time that this one was lent.
inline std::uint64_t turn_of(const Upstream& upstream) { return upstream.number + upstream.turns; }

using UpstreamPtr = std::unique_ptr<Upstream>;

/// What the latest login of a key was told, for clients that are let in without a server connection of their own.
struct Greeting {
  ReportedParameters parameters;
  std::uint64_t generation = 0;
  std::string user, lease_accessor, host, peer_address, local_address;
  TlsFacts tls;
};

}  // namespace sallyport::broker
