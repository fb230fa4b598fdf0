// Hosts that nobody has to look up: whether a URL's host is an address of this machine or of its link, as it is written.
// Plain http is for these alone (threat 12); a name, "localhost" too, leads wherever a name server says.
#pragma once

#include <string_view>

namespace sallyport::secrets {

/// 127.0.0.0/8 or "[::1]". `host` has no port; an IPv6 address is in its brackets.
bool is_loopback_literal(std::string_view host);

/// 169.254.0.0/16.
bool is_link_local_literal(std::string_view host);

/// A decimal number from 1 to 65535.
bool is_port(std::string_view text);

/// Host and port of "host[:port]" and "[address][:port]"; the port is empty where there is none.
struct HostAndPort {
  std::string_view host, port;
};
HostAndPort split_authority(std::string_view authority);

}  // namespace sallyport::secrets
