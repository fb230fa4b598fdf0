// Where a connection comes from, as far as that is known before anybody has said a word: the account at its other end,
// or else the network that it comes from. Whoever floods us is counted by it (threat 17). Small: every session has one.
#pragma once

#include "net/dns.h"

#include <compare>
#include <cstdint>

namespace sallyport::broker {

struct Origin {
  static constexpr std::uint32_t unknown_uid = 0xffff'ffff;

  Origin(std::uint32_t its_uid = unknown_uid) : uid(its_uid) {}  // NOLINT(google-explicit-constructor)
  /// Of a peer whose uid is not known.
  static Origin of_address(const net::Address& address) {
    Origin origin;
    origin.network = address.network();
    return origin;
  }
  [[nodiscard]] bool has_uid() const { return uid != unknown_uid; }
  // clang-tidy 14 takes the 0 that a defaulted <=> is compared with for a pointer.
  auto operator<=>(const Origin&) const = default;  // NOLINT(modernize-use-nullptr)

  std::uint32_t uid;
  net::Network network;  ///< of a peer whose uid is not known
};

}  // namespace sallyport::broker
