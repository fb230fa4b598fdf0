#include "policy/address_range.h"

#include <arpa/inet.h>

#include <algorithm>
#include <charconv>

namespace sallyport::policy {

namespace {

constexpr std::size_t literal_bytes_max = 64;
constexpr unsigned mapped_prefix = 96;

Error bad(std::string_view text, std::string what, std::string hint) {
  return {ErrorCode::bad_config, Hop::config,     std::string{text.substr(0, literal_bytes_max)},
          std::move(what),       std::move(hint), {}};
}

bool is_mapped(const IpAddress& address) {
  static constexpr IpAddress mapped{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
  return std::equal(address.begin(), address.begin() + 12, mapped.begin());
}

/// Only the first `prefix` bits of `address`.
IpAddress masked(IpAddress address, unsigned prefix) {
  for (unsigned byte = 0; byte < address.size(); ++byte) {
    const auto kept = prefix > byte * 8 ? std::min(prefix - byte * 8, 8U) : 0U;
    address.at(byte) = static_cast<std::uint8_t>(address.at(byte) & (0xff00U >> kept));
  }
  return address;
}

std::string printed(const IpAddress& address) {
  std::array<char, INET6_ADDRSTRLEN> out{};
  const bool v4 = is_mapped(address);
  inet_ntop(v4 ? AF_INET : AF_INET6, v4 ? address.data() + 12 : address.data(), out.data(), out.size());
  return out.data();
}

}  // namespace

std::optional<IpAddress> parse_ip_address(std::string_view text) {
  if (text.starts_with('[') && text.ends_with(']')) text = text.substr(1, text.size() - 2);
  text = text.substr(0, text.find('%'));
  if (text.empty() || text.size() > literal_bytes_max || text.find('\0') != std::string_view::npos) return {};
  const std::string literal{text};
  IpAddress out{};
  if (inet_pton(AF_INET6, literal.c_str(), out.data()) == 1) return out;
  if (inet_pton(AF_INET, literal.c_str(), out.data() + 12) != 1) return {};
  std::fill_n(out.begin(), 10, std::uint8_t{0});  // inet_pton may have begun to write
  out[10] = out[11] = 0xff;
  return out;
}

std::optional<IpAddress> parse_peer_address(std::string_view text) {
  const auto colon = text.rfind(':');
  if (colon == std::string_view::npos) return {};
  return parse_ip_address(text.substr(0, colon));
}

bool AddressRange::contains(const IpAddress& address) const { return masked(address, prefix) == network; }

Result<AddressRange> parse_address_range(std::string_view text) {
  const auto slash = text.find('/');
  const auto address = parse_ip_address(text.substr(0, slash));
  if (!address || text.starts_with('[') || text.substr(0, slash).find('%') != std::string_view::npos) {
    return bad(text, "is no address range", "Write e.g. `10.0.0.0/8`, `2001:db8::/32` or one address.");
  }
  const bool v4 = text.substr(0, slash).find(':') == std::string_view::npos;
  const unsigned bits = v4 ? 32 : 128;
  unsigned length = bits;
  if (slash != std::string_view::npos) {
    const auto number = text.substr(slash + 1);
    const auto [end, wrong] = std::from_chars(number.data(), number.data() + number.size(), length);
    if (wrong != std::errc{} || end != number.data() + number.size() || length > bits) {
      return bad(text, "has no prefix length from 0 to " + std::to_string(bits), "Write e.g. `10.0.0.0/8`.");
    }
  }
  AddressRange range{*address, v4 ? mapped_prefix + length : length, std::string{text}};
  const auto network = masked(*address, range.prefix);
  if (network == *address) return range;
  const auto meant = printed(network);
  return bad(text, "has bits set behind its first " + std::to_string(length),
             "Write `" + meant + "/" + std::to_string(length) + "`, or `" + printed(*address) +
                 "` for this one address.");
}

}  // namespace sallyport::policy
