// "1 session", "2 sessions".
#pragma once

#include <cstdint>
#include <string>

namespace sallyport::cli {

inline std::string counted(std::uint64_t count, const std::string& one, const std::string& many) {
  return std::to_string(count) + " " + (count == 1 ? one : many);
}

inline std::string counted(std::uint64_t count, const std::string& noun) {
  return counted(count, noun, noun + "s");
}

}  // namespace sallyport::cli
