#include "secrets/address.h"

#include "base/ascii.h"

#include <algorithm>
#include <charconv>

namespace sallyport::secrets {

namespace {

constexpr std::size_t host_bytes_max = 255;

Error wrong(std::string_view name, std::string what) {
  return {ErrorCode::bad_config,
          Hop::environment,
          std::string{name},
          std::move(what),
          "Write for example https://vault.example.com:8200",
          {}};
}

bool host_character(char c) {
  return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '.' || c == '-' || c == '_';
}

bool address_character(char c) {
  return (c >= 'a' && c <= 'f') || (c >= '0' && c <= '9') || c == ':' || c == '.';
}

}  // namespace

Result<Address> parse_address(std::string_view text, std::string_view name) {
  Address address;
  const auto plain = to_lower(text);
  std::string_view rest = plain;
  if (rest.starts_with("https://")) {
    rest.remove_prefix(8);
  } else if (rest.starts_with("http://")) {
    rest.remove_prefix(7);
    address.https = false;
  } else {
    return wrong(name, "it does not begin with https://");
  }
  if (rest.ends_with('/')) rest.remove_suffix(1);
  std::string_view port;
  if (rest.starts_with('[')) {
    const auto close = rest.find(']');
    if (close == std::string_view::npos || close == 1) return wrong(name, "a [ without address and ]");
    address.host = rest.substr(0, close + 1);
    const auto inside = rest.substr(1, close - 1);
    if (!std::all_of(inside.begin(), inside.end(), address_character))
      return wrong(name, "no IPv6 address in [ ]");
    port = rest.substr(close + 1);
  } else {
    address.host = rest.substr(0, rest.find(':'));
    if (!std::all_of(address.host.begin(), address.host.end(), host_character)) {
      return wrong(name, "more than scheme, host and port, or a character that no host name has");
    }
    port = rest.substr(address.host.size());
  }
  if (address.host.empty() || address.host.size() > host_bytes_max) return wrong(name, "no host");
  if (port.empty()) {
    address.port = address.https ? 443 : 80;
    return address;
  }
  const auto* end = port.data() + port.size();
  const auto [stop, error] = std::from_chars(port.data() + 1, end, address.port);
  if (port.front() != ':' || port.size() == 1 || error != std::errc{} || stop != end || address.port == 0) {
    return wrong(name, "the port is no number from 1 to 65535");
  }
  return address;
}

std::string to_string(const Address& address) {
  return (address.https ? "https://" : "http://") + address.host + ":" + std::to_string(address.port);
}

}  // namespace sallyport::secrets
