// The form of what is said at a binary upgrade, for those who write it (handover_encode.cpp) and read it
// (handover_decode.cpp). Numbers stay for ever: the other process may be of any version. Private to the two.
#pragma once

#include <cstdint>
#include <string_view>

namespace sallyport::cli::handover {

inline constexpr std::string_view magic = "SPHO";
inline constexpr std::uint8_t form = 1;

enum class Kind : std::uint8_t {
  hello = 1,
  welcome,
  refusal,
  give,
  socket,
  all_given,
  serving,
  released,
  cancel,
  cancel_done,
  reloaded,
};

enum class Tag : std::uint8_t {
  version = 1,
  config_file,
  what,
  fix,
  path,
  count,
  credential,
  paused,
  number,
  pid,
  key,
  route,
  uid,
  address,
  certificate_subject,
  certificate_dns,
  certificate_spiffe,
  secured,
  local,
  counted,
  found,
  clear,
};

}  // namespace sallyport::cli::handover
