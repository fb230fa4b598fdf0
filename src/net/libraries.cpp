// init_libraries: OpenSSL gets memory functions that wipe what they free, because it copies what we give it: keys, records.
// It holds plaintext within a call only, and the keys of a connection until the conversation that it serves has ended. libcurl
// holds a token for as long as the secret manager takes to answer: its memory is kept out of core dumps as well (kept_memory).
#include "net/http.h"

#include <openssl/crypto.h>

#include <malloc.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>

namespace sallyport::net {

namespace {

void wiping_free(void* memory) {
  if (memory == nullptr) return;
  OPENSSL_cleanse(memory, malloc_usable_size(memory));
  std::free(memory);
}

/// realloc may move and would leave the old bytes behind.
void* wiping_realloc(void* memory, std::size_t size) {
  if (memory == nullptr) return std::malloc(size);
  if (size == 0) {
    wiping_free(memory);
    return nullptr;
  }
  const auto old_size = malloc_usable_size(memory);
  if (size <= old_size && size >= old_size / 2) return memory;
  void* moved = std::malloc(size);
  if (moved == nullptr) return nullptr;
  std::memcpy(moved, memory, std::min(old_size, size));
  wiping_free(memory);
  return moved;
}

// OpenSSL passes file and line as well.
void* crypto_malloc(std::size_t size, const char*, int) { return std::malloc(size); }
void* crypto_realloc(void* memory, std::size_t size, const char*, int) {
  return wiping_realloc(memory, size);
}
void crypto_free(void* memory, const char*, int) { wiping_free(memory); }

Error failed(const char* what) {
  return {ErrorCode::internal,
          Hop::none,
          "OpenSSL",
          what,
          "This is a defect: init_libraries comes first in main.",
          {}};
}

Result<void> init_once() {
  if (CRYPTO_set_mem_functions(crypto_malloc, crypto_realloc, crypto_free) != 1) {
    return failed("had allocated memory before it was given a wiping free");
  }
  // OPENSSL_CONF can load code into this process: whoever writes our environment must not.
  if (OPENSSL_init_crypto(OPENSSL_INIT_NO_LOAD_CONFIG, nullptr) != 1) return failed("did not start");
  return {};
}

}  // namespace

Result<void> init_libraries() {
  static const Result<void> once = init_once();
  return once;
}

}  // namespace sallyport::net
