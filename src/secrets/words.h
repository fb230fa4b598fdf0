// The words of an `exec:` reference: quoting as a shell has it, without a shell.
//
// Words are separated by spaces. 'single quotes' keep everything, "double quotes" keep all but \" and
// \\, a backslash outside quotes keeps the next character. Nothing is ever expanded, so what a shell
// would act on (| ; & < > $ ` * ? ~ at a word's start) is refused outside quotes: a person who writes it
// expects something that will not happen.
#pragma once

#include "base/result.h"

#include <string>
#include <string_view>
#include <vector>

namespace sallyport::secrets {

inline constexpr std::size_t exec_words_max = 64;

/// Where the words end: the first `#` or `?` outside quotes, or text.size().
std::size_t end_of_words(std::string_view text);

struct WordsError {
  std::size_t at = 0;  ///< index into the text
  std::string_view what;
};

/// Nothing in `error.what` on success. Limit: exec_words_max words.
std::vector<std::string> split_words(std::string_view text, WordsError& error);

}  // namespace sallyport::secrets
