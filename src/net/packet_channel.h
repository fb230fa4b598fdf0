// One end of a Unix SEQPACKET connection: whole packets, descriptors beside them, a deadline for each wait.
//
// Two processes of ours that hold different versions talk over it at a binary upgrade; what the packets say is not its
// business (cli/handover_messages.h).
#pragma once

#include "base/result.h"
#include "net/fd.h"

#include <chrono>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace sallyport::net {

struct Packet {
  std::string bytes;
  std::vector<UniqueFd> descriptors;
};

class PacketChannel {
 public:
  using Deadline = std::chrono::steady_clock::time_point;

  static constexpr std::size_t bytes_max = 32'768;
  static constexpr std::size_t descriptors_max = 2;  ///< of one packet

  explicit PacketChannel(UniqueFd fd) : fd_(std::move(fd)) {}

  /// Errors  hop listener.  cancelled: the other end is gone.  timed_out.
  Result<void> send(std::string_view packet, std::span<const int> descriptors, Deadline deadline) const;
  /// Nothing: `wake` (if not -1) can be read from.
  /// Errors  as send(); peer_misbehaved: a longer packet, or more descriptors than may come.
  Result<std::optional<Packet>> receive(Deadline deadline, int wake = -1) const;

  /// Without waiting. False: it is full, or the other end is gone.
  [[nodiscard]] bool try_send(std::string_view packet) const;
  /// Without waiting; nothing: there is none. Errors  as receive().
  [[nodiscard]] Result<std::optional<Packet>> try_receive() const;

  [[nodiscard]] int fd() const { return fd_.get(); }

 private:
  UniqueFd fd_;
};

/// The next connection of a SEQPACKET listener; invalid: there is none.
UniqueFd accept_packets(int listener);

}  // namespace sallyport::net
