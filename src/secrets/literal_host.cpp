#include "secrets/literal_host.h"

#include <array>
#include <charconv>
#include <cstdint>
#include <optional>

namespace sallyport::secrets {

namespace {

/// Dotted quad only: 127.1 and its kind are names to some resolvers, and 0127.0.0.1 is octal, 87.0.0.1, to most.
std::optional<std::array<unsigned, 4>> dotted_quad(std::string_view text) {
  std::array<unsigned, 4> parts{};
  for (std::size_t i = 0; i < parts.size(); ++i) {
    const auto [stop, error] = std::from_chars(text.data(), text.data() + text.size(), parts[i]);
    const auto digits = static_cast<std::size_t>(stop - text.data());
    if (error != std::errc{} || (text.starts_with('0') && digits != 1) || parts[i] > 255) return std::nullopt;
    text.remove_prefix(digits);
    if (i == 3) break;
    if (!text.starts_with('.')) return std::nullopt;
    text.remove_prefix(1);
  }
  return text.empty() ? std::optional{parts} : std::nullopt;
}

}  // namespace

bool is_port(std::string_view text) {
  std::uint16_t port = 0;
  const auto [stop, error] = std::from_chars(text.data(), text.data() + text.size(), port);
  return error == std::errc{} && stop == text.data() + text.size() && port != 0;
}

bool is_loopback_literal(std::string_view host) {
  if (host == "[::1]") return true;
  const auto address = dotted_quad(host);
  return address && (*address)[0] == 127;
}

bool is_link_local_literal(std::string_view host) {
  const auto address = dotted_quad(host);
  return address && (*address)[0] == 169 && (*address)[1] == 254;
}

HostAndPort split_authority(std::string_view authority) {
  const auto bracket = authority.starts_with('[') ? authority.find(']') : std::string_view::npos;
  const auto from = bracket == std::string_view::npos ? 0 : bracket + 1;
  const auto colon = authority.find(':', from);
  if (colon == std::string_view::npos) return {authority, {}};
  return {authority.substr(0, colon), authority.substr(colon + 1)};
}

}  // namespace sallyport::secrets
