// Where a secret manager is: scheme, host, port, and nothing else.
//
// A token goes to that address only. Plain http is for a literal loopback address with a stated reason, because
// only there does nobody stand between us and the server (threat 12); "localhost" is a name, and names are
// resolved by others.
#pragma once

#include "base/result.h"

#include <cstdint>
#include <string>
#include <string_view>

namespace sallyport::secrets {

struct Address {
  bool https = true;
  std::string host;  ///< lower case; IPv6 in brackets
  std::uint16_t port = 0;
  bool operator==(const Address&) const = default;
};

/// Accepts "https://vault.example.com", ":8200" behind it and one slash at the end. No user, path or query.
/// Errors  bad_config: `name` says which setting is wrong; its text is not quoted.
Result<Address> parse_address(std::string_view text, std::string_view name);

/// "https://vault.example.com:8200": always with the port, so that equal addresses have equal texts.
std::string to_string(const Address& address);

}  // namespace sallyport::secrets
