// Puts one account's verifier into a file of local passwords, whole or not at all.
#pragma once

#include "base/result.h"

#include <string>

namespace sallyport::cli {

/// `text` with NAME's line replaced by `line`, or `line` added behind the last one. Comments and order stay.
std::string with_line(const std::string& text, const std::string& name, const std::string& line);

enum class Edit { added, replaced };

/// The file is made with mode 0600 if it is not there; else it keeps its owner and mode. A reader sees the old or the
/// new one.
///
/// Errors  bad_config: somebody else could write it, it is a link, or it has a line with a mistake (nothing is
///         changed then); retry_later: another process is changing it; internal: the system's words.
Result<Edit> put_into_password_file(const std::string& path, const std::string& name,
                                    const std::string& line);

}  // namespace sallyport::cli
