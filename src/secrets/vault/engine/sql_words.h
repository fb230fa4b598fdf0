// A statement's words, as far as advice and masking need them: keywords apart from what stands in quotes.
//
// No parser. `'text'`, `"name"` and `` `name` `` are one word each, dollar-quoted text too; comments are left out.
// What never ends goes to the end of the statement.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace sallyport::secrets::vault::engine {

struct SqlWord {
  enum class Kind { word, name, text, sign };
  Kind kind = Kind::word;
  std::string text;  ///< a word in upper case; a name or text without its quotes; one sign
};

std::vector<SqlWord> sql_words(std::string_view statement);

}  // namespace sallyport::secrets::vault::engine
