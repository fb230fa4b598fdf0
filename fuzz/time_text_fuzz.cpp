// Times as clouds write them: any text is a time or none, and a time is within what the clock can hold.
#include "secrets/time_text.h"

#include <cstdlib>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace sallyport;
  const std::string_view text{reinterpret_cast<const char*>(data), size};
  for (const auto& time : {secrets::parse_http_date(text), secrets::parse_iso_time(text)}) {
    if (!time) continue;
    if (*time < WallTime{} - std::chrono::hours{24} || *time > WallTime::max()) std::abort();
    if (secrets::format_basic(*time).size() != 16) std::abort();
  }
  return 0;
}
