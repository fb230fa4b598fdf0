#include "broker/reset_role.h"

#include <charconv>

namespace sallyport::broker {

bool discard_all_loses_role(std::string_view server_version) {
  const auto* const end = server_version.data() + server_version.size();
  unsigned major = 0, minor = 0;
  const auto read = std::from_chars(server_version.data(), end, major);
  if (read.ec != std::errc{}) return false;
  if (read.ptr == end || *read.ptr != '.') return false;
  std::from_chars(read.ptr + 1, end, minor);
  switch (major) {
    case 12: return minor < 21;
    case 13: return minor < 17;
    case 14: return minor < 14;
    case 15: return minor < 9;
    case 16: return minor < 5;
    case 17: return minor < 1;
    default: return major < 12;
  }
}

}  // namespace sallyport::broker
