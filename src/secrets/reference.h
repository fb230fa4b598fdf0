// A reference names a secret and is not one: scheme:locator[#field][?attributes] (docs/configuration.md).
#pragma once

#include "base/result.h"

#include <map>
#include <string>
#include <string_view>

namespace sallyport::secrets {

struct Reference {
  std::string scheme;                             ///< "vault", "file", …
  std::string locator;                            ///< percent-decoded; for exec: the words as written
  std::string field;                              ///< percent-decoded; empty: none
  std::map<std::string, std::string> attributes;  ///< percent-decoded
};

/// True when `text` begins with a scheme of a reference that this version or a later one knows.
bool looks_like_reference(std::string_view text);

/// `#field` and `?attributes` are accepted in either order.
///
/// Errors  bad_config: `what` shows the text with a caret line pointing at the character (only
///         reference syntax is quoted, never a value that may be a secret); locators with `..`,
///         empty parts, NUL or control characters are refused (threat 12).
Result<Reference> parse_reference(std::string_view text);

/// The known scheme that the text's own (before the first colon) is a typing error of: "vault" for
/// "valt:database/creds/app"; empty when none is near or the scheme is right.
std::string_view nearest_scheme(std::string_view text);

/// A reference that is longer is not one.
inline constexpr std::size_t reference_bytes_max = 4096;

/// One canonical order: scheme:locator?attributes#field. Round-trips through parse_reference.
std::string to_string(const Reference& reference);

}  // namespace sallyport::secrets
