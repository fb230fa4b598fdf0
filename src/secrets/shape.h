// From the text of a secret to a user and a password: JSON pairs, the cloud managers' JSON, a whole connection
// string, or a bare password.
//
// The merge rule lives here (threat 3): a secret supplies user and secret. Endpoint fields are handed up for
// the target to use only where it has none. Whatever else it says (TLS settings, options, service, paths, another
// address) is named in `ignored_fields` and dropped, so that a swapped secret can neither redirect nor weaken.
#pragma once

#include "secrets/json.h"
#include "secrets/source.h"

#include <string>
#include <string_view>
#include <vector>

namespace sallyport::secrets {

inline constexpr std::size_t user_bytes_max = 255;
inline constexpr std::size_t database_bytes_max = 255;
inline constexpr std::size_t host_bytes_max = 255;
inline constexpr std::size_t ignored_fields_max = 32;

struct ShapeOptions {
  std::string field;           ///< dotted path into JSON; empty: the whole text
  bool bare_password = false;  ///< `?shape=password`: take the text as it is, whatever it looks like
  bool first_line = false;  ///< `?shape=first_line`: likewise, and only its first line (what `pass` prints)
};

/// What is wrong with a secret's text is said without quoting it; `where` names the secret.
///
/// A text is JSON when it begins with `{`; a connection string when it begins as one (dsn/dialect.h); else a bare
/// password. A field whose last part is one of password, pass, pwd, passwd, secret, token is a bare password. One
/// newline at the end ("\n" or "\r\n") is left out.
///
/// Errors  invalid_message: malformed JSON or connection string, no password in it, a NUL, an endpoint field that
///         is none.  not_found: `field` is not there.  limit_exceeded: longer than secret_bytes_max.
///         peer_unsupported: a connection string of another kind of database.
Result<Fetched> shape_secret(const Secret& text, const ShapeOptions& options, std::string_view where);

/// The same for a JSON object that is already parsed (Vault's `data`).
Result<Fetched> shape_object(JsonView object, const ShapeOptions& options, std::string_view where);

/// Reads `shape=` (auto, password or first_line) and the reference's field.
/// Errors  bad_config.
Result<ShapeOptions> shape_options_of(const Reference& reference);

}  // namespace sallyport::secrets
