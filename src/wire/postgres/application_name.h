// What a server makes of an application_name that a client starts with.
//
// Source  PostgreSQL: truncate_identifier() (scansup.c), check_application_name() (guc), pg_clean_ascii() (string.c).
#pragma once

#include <string>
#include <string_view>

namespace sallyport::postgres {

/// At most 63 bytes of ASCII: the name cut as an identifier is, and every byte of it that cannot be printed as `?` (from
/// PostgreSQL 16: `\xHH`). Any bytes may be in a first packet, where a SET refuses what is no text in its encoding; and what a
/// server reports after a SET of this is this. A name whose `\xHH` need more than 63 bytes is cut there: whole, a server takes it
/// at a login only.
std::string application_name_of(std::string_view name, std::string_view server_version,
                                std::string_view server_encoding);

}  // namespace sallyport::postgres
