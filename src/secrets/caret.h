// Shows a reference with a caret below the character that is wrong, without showing what may be a secret.
//
// People paste passwords in the wrong place. So attribute values are shown as "…", and a text that has the
// looks of a connection string (`://` or `@`) is not shown beyond its scheme.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace sallyport::secrets {

/// Three lines: `message`, the text indented, the caret. `text` begins with a known scheme of `scheme_bytes`
/// bytes and a colon; `at` is an index into `text` (or its size: the end).
///
/// Limit   about 100 columns: a longer text is cut around the caret.
std::string with_caret(std::string_view message, std::string_view text, std::size_t scheme_bytes,
                       std::size_t at);

}  // namespace sallyport::secrets
