#include "broker/client_name.h"

#include <charconv>
#include <cstddef>

namespace sallyport::broker {

namespace {

/// Of a name that has grown: no session keeps its connection for it (status_bytes_max).
constexpr std::size_t kept_bytes_max = 8192;

}  // namespace

std::string name_as_kept(std::string_view name, std::string_view server_version) {
  constexpr std::string_view digits = "0123456789abcdef";
  unsigned major = 0;
  std::from_chars(server_version.data(), server_version.data() + server_version.size(), major);
  std::string kept;
  for (const char c : name) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte >= 0x20 && byte < 0x7f) {
      kept += c;
    } else if (major < 16) {
      kept += '?';
    } else if (kept.size() < kept_bytes_max) {
      kept += {'\\', 'x', digits[byte >> 4], digits[byte & 15]};
    } else {
      break;
    }
  }
  return kept;
}

}  // namespace sallyport::broker
