// A password from whoever sits at the terminal, or from a pipe; never from the command line, which everybody sees.
#pragma once

#include "base/result.h"
#include "base/secret.h"

#include <string>

namespace sallyport::cli {

/// In bytes; PostgreSQL's clients take no longer ones everywhere.
inline constexpr std::size_t password_bytes_max = 1'024;

/// Asks on the controlling terminal, without echo. Waits as long as the human does.
/// Errors  bad_config: there is no terminal, or more than password_bytes_max; cancelled: Ctrl-C, end of input.
Result<Secret> ask_password(const std::string& prompt);

/// The first line of standard input, without its end.
/// Errors  bad_config: nothing, a NUL byte, or more than password_bytes_max.
Result<Secret> read_password_from_stdin();

}  // namespace sallyport::cli
