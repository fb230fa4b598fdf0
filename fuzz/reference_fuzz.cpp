// References: any text is refused with a bounded error, or is read, printed and read again as the same.
#include "base/bytes.h"
#include "secrets/reference.h"
#include "secrets/words.h"

#include <cstdint>
#include <cstdlib>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace sallyport;
  const auto text = as_text({data, size});
  (void)secrets::looks_like_reference(text);
  (void)secrets::nearest_scheme(text);
  auto reference = secrets::parse_reference(text);
  if (!reference) {
    if (describe(reference.error()).size() > 1'500) std::abort();
    return 0;
  }
  const auto printed = secrets::to_string(*reference);
  if (printed.size() > secrets::reference_bytes_max) return 0;  // of bytes that are printed as %XX
  auto again = secrets::parse_reference(printed);
  if (!again) std::abort();
  if (again->scheme != reference->scheme || again->locator != reference->locator ||
      again->field != reference->field || again->attributes != reference->attributes) {
    std::abort();
  }
  if (reference->scheme == "exec") {
    secrets::WordsError error;
    const auto words = secrets::split_words(reference->locator, error);
    if (!error.what.empty() || words.empty() || !words.front().starts_with('/')) std::abort();
  } else if (("/" + reference->locator + "/").find("/../") != std::string::npos) {
    std::abort();
  }
  return 0;
}
