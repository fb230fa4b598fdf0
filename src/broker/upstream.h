// One server connection, logged in, with what it takes to give it to the next session.
#pragma once

#include "broker/ports.h"
#include "credentials/slot.h"

#include <map>
#include <string>

namespace sallyport::broker {

/// What makes two server connections interchangeable. `application_name` is not part of it: it is SET.
struct PoolKey {
  std::string database;
  std::string identity;          ///< pools are not shared between identities (threat 4)
  postgres::Parameters profile;  ///< start-up parameters, sorted by name
  // clang-tidy 14 takes the 0 that a defaulted <=> is compared with for a pointer.
  auto operator<=>(const PoolKey&) const = default;  // NOLINT(modernize-use-nullptr)
};

using ParameterMap = std::map<std::string, std::string, std::less<>>;

/// PostgreSQL reports 15 of them, an extension may add some.
inline constexpr std::size_t reported_parameters_max = 256;

/// Takes note of a ParameterStatus; a new name beyond the limit is dropped (the client has been told of it).
inline void note_parameter(ParameterMap& parameters, std::string_view name, std::string_view value) {
  const auto found = parameters.find(name);
  if (found != parameters.end()) {
    found->second = value;
  } else if (parameters.size() < reported_parameters_max) {
    parameters.emplace(name, value);
  }
}

struct Upstream {
  std::unique_ptr<net::Stream> stream;
  PoolKey key;
  credentials::Hold hold;  ///< keeps its generation leased
  std::uint64_t generation = 0;
  std::shared_ptr<const Reach> reach;
  std::optional<net::Address> address;      ///< where a cancel goes
  std::string peer_address, local_address;  ///< for the trail
  ParameterMap parameters;                  ///< as the server reported them last
  std::int32_t pid = 0;
  std::vector<std::uint8_t> cancel_key;
  TlsFacts tls;
  std::string user;  ///< what the server knows us as
  std::string lease_accessor;
  MonotonicTime close_after{};     ///< jittered lifetime
  bool for_move = false;           ///< its session still has the connection that this one replaces
  unsigned cancels_in_flight = 0;  ///< it gets no other owner before they are done
};

using UpstreamPtr = std::unique_ptr<Upstream>;

}  // namespace sallyport::broker
