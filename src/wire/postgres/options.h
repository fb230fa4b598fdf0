// The start-up parameter `options`: command-line switches for the server process, in one text.
//
// A pool keys connections by their settings, so "-c a=b" and "--a=b" must come out the same.
#pragma once

#include "base/result.h"
#include "wire/postgres/first_packet.h"

#include <string>
#include <string_view>

namespace sallyport::postgres {

/// Settings in one `options`; the start-up packet bounds the bytes.
inline constexpr std::size_t options_settings_max = 512;

/// The settings in order, names as written but with '-' turned to '_' (as the server does).
///
/// Understands "-c a=b", "-ca=b", "--a=b"; a backslash keeps the next character (a space, a backslash).
/// Errors  peer_unsupported: another switch ("-B", "-S", …): named. invalid_message: a switch without
///         setting. limit_exceeded: options_settings_max.
/// Source  PostgreSQL manual, "Parameter Interaction via the Configuration File"; pg_split_opts().
Result<Parameters> parse_options(std::string_view options);

/// The reverse: "-c a=b -c c=d\ e".
std::string print_options(const Parameters& settings);

}  // namespace sallyport::postgres
