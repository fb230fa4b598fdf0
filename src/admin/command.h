// The admin socket's language: one JSON object a line, in both directions (docs/operations.md).
//
//   {"command": "pause", "target": "production"}
//   {"ok": true, "text": "production is paused …"}
#pragma once

#include "base/result.h"

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace sallyport::admin {

/// A line above it is refused and the connection closed.
inline constexpr std::size_t command_bytes_max = 4'096;

enum class Verb { status, pause, resume, drain, reload, reconnect };

std::string_view name_of(Verb verb);
std::optional<Verb> verb_named(std::string_view name);

struct Command {
  Verb verb = Verb::status;
  std::string target;  ///< empty: all; a configuration's name otherwise
};

/// Errors  invalid_message: no JSON object, an unknown command or key, a target that is no name or not wanted.
Result<Command> parse_command(std::string_view line);

/// The line, with its end.
std::string encode_command(const Command& command);

}  // namespace sallyport::admin
