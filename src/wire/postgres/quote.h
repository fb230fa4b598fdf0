// Text in our own SQL (SET application_name …), safe whatever the session's settings say.
#pragma once

#include <string>
#include <string_view>

namespace sallyport::postgres {

/// 'it''s', or " E'back\\slash'" when there is a backslash or a byte that is not ASCII.
///
/// Safe under any standard_conforming_strings (E'' does not depend on it) and any client_encoding: the
/// result is pure ASCII, because in SJIS, BIG5 and GBK a backslash can be the second byte of a character.
/// Bytes above 127 are written as \xHH and mean the *server's* encoding; the server refuses what is
/// invalid there. A zero byte ends the text: SQL cannot carry it.
std::string quote_literal(std::string_view text);

/// "name" with quotes doubled. (A quote is no encoding's second byte.)
std::string quote_identifier(std::string_view name);

}  // namespace sallyport::postgres
