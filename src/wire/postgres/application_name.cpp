#include "wire/postgres/application_name.h"

#include <algorithm>
#include <charconv>
#include <cstddef>
#include <cstdint>

namespace sallyport::postgres {

namespace {

constexpr std::size_t name_bytes_max = 63;
constexpr int first_with_escapes = 16;

int major_of(std::string_view version) {
  int major = 0;
  std::from_chars(version.data(), version.data() + version.size(), major);
  return major;
}

// By its first byte alone, as a server does it: the rest may be anything.
std::size_t utf8_length(std::uint8_t first) {
  if ((first & 0xe0) == 0xc0) return 2;
  if ((first & 0xf0) == 0xe0) return 3;
  if ((first & 0xf8) == 0xf0) return 4;
  return 1;
}

std::string_view cut(std::string_view name, bool utf8) {
  if (name.size() <= name_bytes_max || !utf8) return name.substr(0, name_bytes_max);
  std::size_t end = 0;
  while (end < name.size()) {
    const auto next = end + utf8_length(static_cast<std::uint8_t>(name[end]));
    if (next > name_bytes_max) break;
    end = next;
  }
  return name.substr(0, end);
}

}  // namespace

std::string application_name_of(std::string_view name, std::string_view server_version,
                                std::string_view server_encoding) {
  constexpr std::string_view digits = "0123456789abcdef";
  const bool escapes = major_of(server_version) >= first_with_escapes;
  std::string out;
  for (const char c : cut(name, server_encoding == "UTF8")) {
    const auto byte = static_cast<std::uint8_t>(c);
    if (byte >= 32 && byte <= 126) {
      out += c;
    } else if (escapes) {
      out += {'\\', 'x', digits[byte >> 4], digits[byte & 15]};
    } else {
      out += '?';
    }
  }
  out.resize(std::min(out.size(), name_bytes_max));
  return out;
}

}  // namespace sallyport::postgres
