// Words as Python's shlex.split() takes a line apart: how AWS' tools read `credential_process` and the names of sections.
// Nothing is expanded; secrets/words.h is stricter, and these lines were written for another reader.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace sallyport::secrets::aws {

/// None: a quote that does not end, or a backslash at the end.
std::optional<std::vector<std::string>> shell_words(std::string_view line);

}  // namespace sallyport::secrets::aws
