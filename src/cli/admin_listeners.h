// From the `admin` part of the configuration to the admin thread: opens its sockets and reads its token.
#pragma once

#include "admin/server.h"
#include "cli/command.h"
#include "config/config.h"
#include "net/given_sockets.h"

#include <memory>

namespace sallyport::cli {

class AdminListeners {
 public:
  /// What the configuration names and nobody has opened for us has to open; a default that does not is told and left
  /// out.
  ///
  /// Errors  of net::SocketDirectory, net::listen_tcp() and reload_token().
  Result<void> open(Context& context, const config::Config& config, net::GivenSockets& given);

  /// Reads the token's file again. Errors  of net::read_file(); bad_config: it is empty.
  Result<void> reload_token(const config::Admin& admin);

  void serve(admin::Control& control);
  /// What was asked is still answered; who asks from now on is answered by whoever has the sockets.
  void accept_no_more();
  void stop();

  /// For a successor.
  [[nodiscard]] std::vector<net::SharedListener> share() const;

 private:
  admin::ServerSettings settings_;
  std::shared_ptr<admin::BearerToken> token_ = std::make_shared<admin::BearerToken>();
  std::vector<net::SharedListener> kept_;  ///< the server has the listeners
  std::unique_ptr<admin::Server> server_;
};

}  // namespace sallyport::cli
