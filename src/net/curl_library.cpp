#include "net/curl_library.h"

#include "net/http.h"
#include "net/kept_memory.h"

#include <dlfcn.h>

#include <string>

namespace sallyport::net {

namespace {

constexpr const char* file_name = "libcurl.so.4";

Error unusable(std::string what) {
  return {ErrorCode::internal,
          Hop::secret_source,
          file_name,
          std::move(what),
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
  const bool whole =
      find(library, "curl_global_init_mem", start) && find(library, "curl_easy_init", out.easy_init) &&
      find(library, "curl_easy_setopt", out.easy_setopt) &&
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
  const auto code = start(CURL_GLOBAL_DEFAULT, kept_memory::allocate, kept_memory::release,
                          kept_memory::reallocate, kept_memory::copy_text, kept_memory::allocate_zeroed);
  if (code != CURLE_OK) return unusable("did not start");
  return out;
}

}  // namespace

const Result<CurlLibrary>& curl_library() {
  static const Result<CurlLibrary> one = load();
  return one;
}

const CurlLibrary& curl() { return *curl_library(); }

Result<void> load_http_library() {
  if (const auto& library = curl_library(); library.has_error()) return library.error();
  return {};
}

}  // namespace sallyport::net
