#include "crypto/crc32c.h"

namespace sallyport::crypto {

// Bit by bit: a payload has at most 64 KiB, once in minutes.
std::uint32_t crc32c(Bytes bytes) {
  constexpr std::uint32_t reversed_polynomial = 0x82F63B78;
  std::uint32_t crc = ~0U;
  for (const auto byte : bytes) {
    crc ^= byte;
    for (int bit = 0; bit < 8; ++bit) crc = (crc >> 1) ^ ((crc & 1U) != 0 ? reversed_polynomial : 0U);
  }
  return ~crc;
}

}  // namespace sallyport::crypto
