// A question to the person at the terminal, for what cannot be taken back.
#pragma once

#include "base/result.h"

#include <string>

namespace sallyport::cli {

/// Asks "QUESTION [y/N]" on /dev/tty, whatever standard output and input are.
/// Errors  denied: there is no terminal (`hint` says what to add), or the answer is not y. `where`: what is asked about.
Result<void> confirm(const std::string& question, const std::string& where, const std::string& hint);

}  // namespace sallyport::cli
