// Text in our own SQL (SET application_name …), safe whatever standard_conforming_strings says.
#pragma once

#include <string>
#include <string_view>

namespace sallyport::postgres {

/// 'it''s', or E'back\\slash' when there is a backslash. A zero byte ends the text: SQL cannot carry it.
std::string quote_literal(std::string_view text);

/// "name" with quotes doubled.
std::string quote_identifier(std::string_view name);

}  // namespace sallyport::postgres
