// How a route protects the connections of its clients.
#pragma once

#include <string>

namespace sallyport {

struct ClientTlsPolicy {
  std::string certificate_file;  ///< PEM: ours, then its chain
  std::string key_file;          ///< PEM, private file
  std::string client_ca_file;    ///< PEM: who may sign client certificates; empty: none is asked for
  std::string
      client_crl_file;    ///< PEM: of each authority in a client's chain; empty: revocation is not checked
  bool required = false;  ///< a start-up without TLS is refused
  bool clear_cancel = false;  ///< a cancel from the session's address is heard without TLS too
  bool operator==(const ClientTlsPolicy&) const = default;
};

}  // namespace sallyport
