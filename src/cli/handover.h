// The predecessor's side of a binary upgrade: a socket beside the admin socket, on which a successor asks for our
// listening sockets (threat 15). It gets them only if it is of our own account and runs the very program that we were
// started from, as that file is now; who else asks is told so, on the log and in the trail, and nothing changes.
//
// All on the main thread. Until the successor has said that it serves we go on as if nothing had been.
#pragma once

#include "cli/command.h"
#include "cli/handover_talk.h"
#include "cli/program_file.h"
#include "net/given_sockets.h"

#include <functional>
#include <memory>
#include <optional>

namespace sallyport::cli {

class Handover {
 public:
  /// What it needs of the service.
  struct Service {
    std::function<std::vector<net::SharedListener>()> listeners;
    std::function<std::vector<std::string>()> credentials;  ///< those that are present
    std::function<std::vector<std::string>()> paused;
    std::function<void(const net::UnixPeer& who, const char* result)> record;  ///< for the trail
    std::string config_file;
    std::shared_ptr<net::Scout> scout;
  };

  explicit Handover(Context& context) : context_(context) {}

  /// Beside the admin socket. A default that cannot be opened is left out.
  Result<void> listen(const config::Admin& admin, net::GivenSockets& given);
  void serve(Service service) { service_ = std::move(service); }

  /// Can be read from when somebody asks; -1: nobody can.
  [[nodiscard]] int fd() const { return listener_ ? listener_->fd() : -1; }

  /// Answers one who asks. The channel to the successor, which serves from now on; its names are not ours any more, and
  /// we have to stop accepting. Nothing: all is as before. `stop`: can be read from when we are to end.
  std::optional<net::PacketChannel> hand_over(int stop);

  void close() { listener_.reset(); }

 private:
  Result<void> check(const net::UnixPeer& peer, const handover::Hello& hello) const;
  Result<void> give(const net::PacketChannel& channel,
                    const std::vector<net::SharedListener>& listeners) const;
  Result<void> talk(const net::PacketChannel& channel, net::UnixPeer& peer, int stop);

  Context& context_;
  Service service_;
  const ProgramFile program_ = ProgramFile::of_this_process();
  std::optional<net::Listener> listener_;
};

}  // namespace sallyport::cli
