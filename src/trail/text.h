// The one encoder of outside strings: what a client, a server or a file name said goes through here
// before it reaches a record, and through printable() before it reaches a terminal (threat 19).
//
// Records are pure printable ASCII: every control character and every code point above 0x7E is written
// as \uXXXX. So `cat`, `less` and `grep` on a segment cannot be fooled by escape sequences, newlines or
// right-to-left marks, and a record is one line whatever a client called itself.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace sallyport::trail {

/// Appends `"…"` with JSON's escapes. Bytes that are no UTF-8 become U+FFFD. Text above `bytes_max` is
/// cut at a character and ends in "…[+N bytes]"; the mark counts towards `bytes_max`, so that encoding
/// what was decoded gives the same bytes.
///
/// Limit  bytes_max >= 64.
void append_json_string(std::string& out, std::string_view text, std::size_t bytes_max);

/// Nothing in it would become U+FFFD.
bool is_utf8(std::string_view text);

/// The same cut and the same U+FFFD, as plain UTF-8: for map keys, which are sorted after it.
std::string bounded_utf8(std::string_view text, std::size_t bytes_max);

/// For a terminal or a table: control characters, line separators, invisible and direction-changing
/// characters and bytes that are no UTF-8 appear as \xNN or \u{NNNN}; the rest stays.
std::string printable(std::string_view text);

/// Likewise with newlines and tabs kept, for text of several lines (a caret below what is wrong).
std::string printable_lines(std::string_view text);

/// Whether printable_lines() leaves it as it is; copies nothing, so it may be asked of a secret.
bool is_printable(std::string_view text);

/// How many columns a terminal needs for printable text: code points, wide ones counted once.
std::size_t columns_of(std::string_view printable_text);

}  // namespace sallyport::trail
