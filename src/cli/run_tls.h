// TLS of one run of `exec` on its TCP listeners: a certificate made for it, and the authority's file for the child.
#pragma once

#include "base/clock.h"
#include "broker/route_tls.h"
#include "net/socket_directory.h"

#include <memory>
#include <optional>
#include <string>

namespace sallyport::cli {

struct RunTls {
  std::shared_ptr<broker::RouteTls> context;
  std::optional<net::MadeFile> file;  ///< goes with this, before its directory
  std::string authority_file;         ///< its path; empty: there was no directory
};

/// `directory` is the run's private one. Null: there is no place for a file, and TLS for those who do not verify.
/// Errors  internal, hop tls; of net::SocketDirectory::write_file().
Result<RunTls> make_run_tls(const net::SocketDirectory* directory, WallTime now);

}  // namespace sallyport::cli
