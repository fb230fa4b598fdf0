#include "cli/handover_talk.h"

namespace sallyport::cli::handover {

std::string socket_path(const config::Admin& admin) {
  return admin.socket.empty() ? std::string{} : admin.socket + ".upgrade";
}

Result<void> say(const net::PacketChannel& channel, const Message& message,
                 std::span<const int> descriptors) {
  const auto packet = encode_message(message);
  if (packet.empty())
    return Error{
        ErrorCode::limit_exceeded, Hop::listener, "take-over", "a message would be too long", {}, {}};
  return channel.send(packet, descriptors, within(answer_deadline));
}

Result<std::optional<Heard>> hear(const net::PacketChannel& channel, std::chrono::seconds limit, int wake) {
  auto packet = channel.receive(within(limit), wake);
  if (!packet) return packet.error();
  if (!*packet) return std::optional<Heard>{};
  auto message = decode_message(as_bytes((*packet)->bytes));
  if (!message) return message.error();
  return std::optional<Heard>{Heard{std::move(*message), std::move((*packet)->descriptors)}};
}

}  // namespace sallyport::cli::handover
