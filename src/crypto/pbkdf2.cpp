#include "crypto/pbkdf2.h"

#include "crypto/hash.h"

#include <algorithm>

namespace sallyport::crypto {

Secret pbkdf2_sha256(const Secret& password, Bytes salt, unsigned iterations) {
  const HmacSha256Key key{as_bytes(password.reveal())};
  constexpr std::array<std::uint8_t, 4> first_block{0, 0, 0, 1};
  auto block = key.mac({salt, Bytes{first_block}});
  auto sum = block;
  for (unsigned done = 1; done < iterations; ++done) {
    key.mac_block(block);
    for (std::size_t i = 0; i < sum.size(); ++i) sum[i] ^= block[i];
  }
  auto result = Secret::of_size(sum.size());
  std::copy(sum.begin(), sum.end(), result.writable().begin());
  wipe_memory(sum.data(), sum.size());
  wipe_memory(block.data(), block.size());
  return result;
}

}  // namespace sallyport::crypto
