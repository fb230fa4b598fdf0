// The first packet of a stranger. What decodes, decodes from no shorter piece, and encodes to the same.
#include "base/limits.h"
#include "wire/postgres/first_packet.h"

#include <cstdlib>

using namespace sallyport;
using namespace sallyport::postgres;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const Bytes input{data, size};
  const auto packet = decode_first_packet(input);
  if (packet && *packet && has_impossible_length(input)) std::abort();
  if (!packet || !*packet) return 0;
  const auto bytes = (*packet)->bytes;
  if (bytes > size || bytes > limits::startup_packet_bytes_max) std::abort();
  for (std::size_t part = 0; part < bytes; part += 1 + bytes / 16) {
    const auto earlier = decode_first_packet(input.first(part));
    if (!earlier || *earlier) std::abort();
  }
  WipedBytes again;
  std::visit(
      [&](const auto& message) {
        if constexpr (!std::is_same_v<std::decay_t<decltype(message)>, DirectTls>) encode(again, message);
      },
      (*packet)->message);
  if (!std::equal(again.begin(), again.end(), data, data + bytes)) std::abort();
  return 0;
}
