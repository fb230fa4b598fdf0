#include "net/curl_library.h"

#include "net/http.h"
#include "net/kept_memory.h"

#include <dlfcn.h>
#include <openssl/ssl.h>

#include <atomic>
#include <mutex>
#include <string>

namespace sallyport::net {

namespace {

constexpr const char* file_name = "libcurl.so.4";
/// CURLOPT_PROTOCOLS_STR; CURLOPT_PREREQFUNCTION and CURLOPT_CAINFO_BLOB are older.
constexpr unsigned oldest = 0x075500;

/// A source puts itself in the place of `where`, so the words name the library.
Error unusable(const std::string& why) {
  return {ErrorCode::internal,
          Hop::secret_source,
          "HTTPS",
          std::string{"needs "} + file_name + ", which " + why,
          "Install libcurl 4 with OpenSSL (Debian: libcurl4).",
          {}};
}

std::string last_words() {
  const char* words = dlerror();
  return words == nullptr ? "unknown reason" : words;
}

/// False: the library has no such function.
template <class Function>
bool find(void* library, const char* name, Function*& into) {
  into = reinterpret_cast<Function*>(dlsym(library, name));
  return into != nullptr;
}

Result<CurlLibrary> load() {
  // RTLD_LAZY: as the dynamic linker would have loaded it at the start; looking up now what two dozen libraries could ever
  // call of each other takes longer than a request. RTLD_LOCAL: their names are not ours.
  void* library = dlopen(file_name, RTLD_LAZY | RTLD_LOCAL);
  if (library == nullptr) return unusable("cannot be loaded: " + last_words());
  CurlLibrary out{};
  decltype(&curl_global_init_mem) start = nullptr;
  decltype(&curl_version_info) tell = nullptr;
  const bool whole =
      find(library, "curl_global_init_mem", start) && find(library, "curl_version_info", tell) &&
      find(library, "curl_easy_init", out.easy_init) && find(library, "curl_easy_setopt", out.easy_setopt) &&
      find(library, "curl_easy_perform", out.easy_perform) &&
      find(library, "curl_easy_getinfo", out.easy_getinfo) &&
      find(library, "curl_easy_reset", out.easy_reset) &&
      find(library, "curl_easy_cleanup", out.easy_cleanup) &&
      find(library, "curl_easy_strerror", out.easy_strerror) &&
      find(library, "curl_slist_append", out.slist_append) &&
      find(library, "curl_slist_free_all", out.slist_free_all) && find(library, "curl_url", out.url) &&
      find(library, "curl_url_set", out.url_set) && find(library, "curl_url_get", out.url_get) &&
      find(library, "curl_url_cleanup", out.url_cleanup) && find(library, "curl_free", out.free);
  if (!whole) return unusable("lacks a function: " + last_words());
  const auto* version = tell(CURLVERSION_NOW);
  if (version->version_num < oldest) {
    return unusable("is " + std::string{version->version} +
                    ": it would ignore what we ask it to check (7.85 does not)");
  }
  // We reach into its SSL_CTX: it has to be made by the OpenSSL that we have.
  if (dlsym(library, "SSL_CTX_new") != reinterpret_cast<void*>(&SSL_CTX_new)) {
    return unusable("does not use the OpenSSL that we use (version " + std::string{version->version} + ")");
  }
  const auto before = kept_memory::allocations();
  const auto code = start(CURL_GLOBAL_DEFAULT, kept_memory::allocate, kept_memory::release,
                          kept_memory::reallocate, kept_memory::copy_text, kept_memory::allocate_zeroed);
  if (code != CURLE_OK) return unusable("did not start");
  // Started by somebody else (a module of the name service), it keeps the memory functions that it has, and says nothing.
  out.slist_free_all(out.slist_append(nullptr, "x"));
  if (kept_memory::allocations() == before)
    return unusable("was started already, with memory that is not wiped");
  return out;
}

struct Loaded {
  std::mutex mutex;
  std::atomic<const CurlLibrary*> library{nullptr};
};

// One a process, as the library has one state. Never destroyed: requests may outlast static destructors.
Loaded& loaded() {
  static auto* const one = new Loaded;
  return *one;
}

}  // namespace

Result<void> load_http_library() {
  const std::lock_guard lock{loaded().mutex};
  if (loaded().library != nullptr) return {};
  auto library = load();
  if (library.has_error()) return library.error();
  loaded().library = new CurlLibrary{*library};
  return {};
}

const CurlLibrary& curl() { return *loaded().library; }

}  // namespace sallyport::net
