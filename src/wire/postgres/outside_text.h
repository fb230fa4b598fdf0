// Text that came from a peer, made fit for an error, a log or another peer's terminal.
#pragma once

#include <string>
#include <string_view>

namespace sallyport::postgres {

/// What is repeated of one text from outside.
inline constexpr std::size_t outside_text_bytes_max = 1'000;

/// Control characters become '?' (a line break becomes a space), bytes that are not UTF-8 too, and a long
/// text is cut with "…".
std::string outside_text(std::string_view text, std::size_t bytes_max = outside_text_bytes_max);

}  // namespace sallyport::postgres
