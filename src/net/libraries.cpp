// init_libraries: libcurl and OpenSSL get memory functions that wipe what they free, because both copy
// what we give them: headers, bodies, keys, records. libcurl holds a token for as long as the secret manager
// takes to answer, so its memory is also kept out of core dumps; OpenSSL's holds plaintext within a call only, and the keys of
// a connection until the conversation that it serves has ended.
#include "net/http.h"
#include "net/kept_memory.h"

#include <curl/curl.h>
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

Error failed(const char* library, const char* what) {
  return {ErrorCode::internal,
          Hop::none,
          library,
          what,
          "This is a defect: init_libraries comes first in main.",
          {}};
}

Result<void> init_once() {
  if (CRYPTO_set_mem_functions(crypto_malloc, crypto_realloc, crypto_free) != 1) {
    return failed("OpenSSL", "had allocated memory before it was given a wiping free");
  }
  // OPENSSL_CONF can load code into this process: whoever writes our environment must not.
  if (OPENSSL_init_crypto(OPENSSL_INIT_NO_LOAD_CONFIG, nullptr) != 1)
    return failed("OpenSSL", "did not start");
  const auto code =
      curl_global_init_mem(CURL_GLOBAL_DEFAULT, kept_memory::allocate, kept_memory::release,
                           kept_memory::reallocate, kept_memory::copy_text, kept_memory::allocate_zeroed);
  if (code != CURLE_OK) return failed("libcurl", "did not start");
  return {};
}

}  // namespace

Result<void> init_libraries() {
  static const Result<void> once = init_once();
  return once;
}

}  // namespace sallyport::net
