// CIDR ranges that clients may come from ("10.0.0.0/8", "2001:db8::/32", "192.0.2.7").
//
// All addresses are compared as IPv6: a client that reaches a dual-stack listener by IPv4 shows as ::ffff:192.0.2.7
// there, and is meant by the same range.
#pragma once

#include "base/result.h"

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace sallyport::policy {

/// Network order; IPv4 mapped into ::ffff:0:0/96.
using IpAddress = std::array<std::uint8_t, 16>;

/// A literal without port; brackets and a zone ("fe80::1%eth0", dropped) are accepted.
std::optional<IpAddress> parse_ip_address(std::string_view text);

/// The address of "192.0.2.7:5432" and "[2001:db8::1]:5432"; none of what is no IP socket ("unix:…").
std::optional<IpAddress> parse_peer_address(std::string_view text);

struct AddressRange {
  IpAddress network{};
  unsigned prefix = 0;  ///< of 128
  std::string text;     ///< as written

  [[nodiscard]] bool contains(const IpAddress& address) const;
  /// Every address of `other` is one of this.
  [[nodiscard]] bool contains(const AddressRange& other) const {
    return prefix <= other.prefix && contains(other.network);
  }
  bool operator==(const AddressRange& other) const {
    return network == other.network && prefix == other.prefix;
  }
};

/// Errors  bad_config: no address, no prefix length, or bits set behind the prefix (which is most often a mistake
///         about what is admitted); the hint has the range that was probably meant.
Result<AddressRange> parse_address_range(std::string_view text);

}  // namespace sallyport::policy
