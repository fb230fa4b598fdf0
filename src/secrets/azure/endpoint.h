// Addresses that the environment or a service named: taken apart, and asked whether a token or a key may go there (threat 12).
//
// Plain http is for this machine and for link-local addresses, and the HTTP client looks at the connected socket once more.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace sallyport::secrets::azure {

struct Endpoint {
  bool https = false;
  std::string host;       ///< lower case, without a port; an IPv6 literal in its brackets
  std::string authority;  ///< "host:port" as written
  std::string path;       ///< with its slash; empty: none

  [[nodiscard]] std::string origin() const { return (https ? "https://" : "http://") + authority; }

  /// What Azure's agents listen on: literals of loopback and link-local addresses, and "localhost".
  [[nodiscard]] bool is_on_this_machine() const;
};

/// "https://host[:port][/path]" or http. None: user names, queries, fragments, control characters, no host.
std::optional<Endpoint> parse_endpoint(std::string_view url);

}  // namespace sallyport::secrets::azure
