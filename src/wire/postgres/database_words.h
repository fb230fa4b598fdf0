// What a statement has to do with the connections of others.
//
// Which databases it needs for itself: PostgreSQL refuses (55006) to drop, rename, move or copy one to which
// anybody else is connected, and a connection that stands ready in a pool is somebody else.
//
// Such a statement is alone in its text: with others it would be in a transaction, where it is refused. So it is enough
// to look at a text's first words, and nearly all are done with after one. What sessions begin with may be altered in a
// transaction, and by any statement of a text.
//
// Source  PostgreSQL manual, "DROP DATABASE", "CREATE DATABASE", "ALTER DATABASE"; dbcommands.c.
#pragma once

#include <string>
#include <string_view>

namespace sallyport::postgres {

/// The name as the server knows it; empty: none.
///
/// Limit   what stands beyond the first 4096 bytes is not looked at.
std::string database_needed_alone(std::string_view sql);
/// ALTER ROLE, USER or DATABASE with SET or RESET in it: what sessions begin with. Not one of a password, which a new
/// login may not know.
///
/// Limit   as above.
bool alters_defaults(std::string_view sql);
/// `known` is what an earlier text of the same run needs, unless this one needs another.
void note_database_needed(std::string& known, std::string_view sql);

}  // namespace sallyport::postgres
