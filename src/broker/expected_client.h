// Whom the configuration lets the broker expect before its first client comes.
#pragma once

#include <compare>
#include <string>

namespace sallyport::broker {

struct ExpectedClient {
  std::string identity;  ///< as the trail has it; with `pool.share: role` any word
  std::string database;  ///< that it gets if it asks for none; empty: only the secret may know
  auto operator<=>(const ExpectedClient&) const = default;
};

}  // namespace sallyport::broker
