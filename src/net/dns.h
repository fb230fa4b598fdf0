// From a host as written to addresses that can be connected to.
#pragma once

#include "base/result.h"

#include <sys/socket.h>

#include <array>
#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace sallyport::net {

/// What one customer of a network usually has: an IPv4 address, or an IPv6 prefix of 64 bits.
struct Network {
  std::uint32_t family = 0;  ///< 0: none
  std::uint64_t prefix = 0;  ///< the first bytes of the address, in network order
  /// "10.0.0.7", "2001:db8:1:2::/64"; empty: none.
  [[nodiscard]] std::string to_string() const;
  // clang-tidy 14 takes the 0 that a defaulted <=> is compared with for a pointer.
  auto operator<=>(const Network&) const = default;  // NOLINT(modernize-use-nullptr)
};

struct Address {
  int family = AF_UNSPEC;                ///< AF_INET, AF_INET6 or AF_UNIX
  std::array<std::uint8_t, 16> bytes{};  ///< network order; AF_INET uses the first four
  std::uint32_t scope = 0;               ///< of a link-local IPv6 address
  std::uint16_t port = 0;
  std::string path;  ///< AF_UNIX: the socket's path

  /// Fills `out` and returns its length. A path is known to fit.
  [[nodiscard]] socklen_t to_sockaddr(sockaddr_storage& out) const;
  static std::optional<Address> from_sockaddr(const sockaddr_storage& in, socklen_t size);

  /// "10.0.0.1:5432", "[::1]:5432", "/run/postgresql/.s.PGSQL.5432".
  [[nodiscard]] std::string to_string() const;

  /// Without port, brackets and scope: "10.0.0.1", "::1". Empty for a path.
  [[nodiscard]] std::string host() const;
  [[nodiscard]] Network network() const;

  [[nodiscard]] bool is_loopback() const;    ///< 127.0.0.0/8, ::1, and those mapped into IPv6; AF_UNIX
  [[nodiscard]] bool is_link_local() const;  ///< 169.254.0.0/16, fe80::/10, and AWS' fd00:ec2::/32

  friend bool operator==(const Address&, const Address&) = default;
};

/// An IP literal (with or without brackets) or an absolute directory (DIR/.s.PGSQL.PORT); none: a name.
std::optional<Address> literal_address(const std::string& host, std::uint16_t port);

/// True for an IP literal without brackets or port, IPv6 with or without a scope.
bool is_ip_literal(const std::string& host);

/// Blocks: getaddrinfo has no deadline of its own (resolv.conf's timeouts, seconds), so call it on a lane.
///
/// At most addresses_max addresses, in the system's order, without repeats. Literals and directories are
/// answered without a lookup.
/// Errors  hop dns, where = host.  not_found: no such host, or no address.  retry_later: the name server
///         did not answer.  bad_config: no host name at all, or a socket path that is too long.
Result<std::vector<Address>> resolve(const std::string& host, std::uint16_t port);

/// Whom a connected socket is connected to; none: nobody any more.
std::optional<Address> peer_address(int fd);

inline constexpr std::size_t addresses_max = 16;

}  // namespace sallyport::net
