// Messages over a channel, for both sides of a binary upgrade: what is sent fits, what comes is of the kind that is
// waited for, or an error says so.
#pragma once

#include "cli/handover_messages.h"
#include "config/config.h"
#include "net/packet_channel.h"

#include <chrono>
#include <string>

namespace sallyport::cli::handover {

/// An answer that needs no work.
inline constexpr auto answer_deadline = std::chrono::seconds{10};
/// Until the successor serves: its first credentials are among it.
inline constexpr auto serving_deadline = std::chrono::seconds{60};

inline net::PacketChannel::Deadline within(std::chrono::seconds limit) {
  return std::chrono::steady_clock::now() + limit;
}

/// Beside the admin socket, for our own account like that one. Empty: there is no admin socket.
std::string socket_path(const config::Admin& admin);

struct Heard {
  Message message;
  std::vector<net::UniqueFd> descriptors;
};

/// Errors  of net::PacketChannel; limit_exceeded: it is too long.
Result<void> say(const net::PacketChannel& channel, const Message& message,
                 std::span<const int> descriptors = {});

/// Nothing: `wake` can be read from. Errors  of net::PacketChannel and decode_message().
Result<std::optional<Heard>> hear(const net::PacketChannel& channel, std::chrono::seconds limit,
                                  int wake = -1);

/// The message that has to come now, and what came with it into `descriptors`.
///
/// Errors  of hear().  cancelled: woken.  denied: it refuses; what it says.  invalid_message: another message.
template <class Wanted>
Result<Wanted> hear_only(const net::PacketChannel& channel, std::chrono::seconds limit, int wake = -1,
                         std::vector<net::UniqueFd>* descriptors = nullptr) {
  auto heard = hear(channel, limit, wake);
  if (!heard) return heard.error();
  if (!*heard)
    return Error{ErrorCode::cancelled, Hop::listener, "take-over", "Sallyport was asked to stop", {}, {}};
  if (auto* message = std::get_if<Wanted>(&(*heard)->message)) {
    if (descriptors != nullptr) *descriptors = std::move((*heard)->descriptors);
    return std::move(*message);
  }
  if (const auto* refusal = std::get_if<Refusal>(&(*heard)->message)) {
    return Error{ErrorCode::denied, Hop::listener,
                 "take-over",       "the Sallyport that runs refuses: " + refusal->what,
                 refusal->fix,      {}};
  }
  return Error{ErrorCode::invalid_message,
               Hop::listener,
               "take-over",
               "the other Sallyport says what is not its turn",
               {},
               {}};
}

}  // namespace sallyport::cli::handover
