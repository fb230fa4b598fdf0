// Output that may hold a secret: to standard output or into a file that only we may read, by write(2), so that no
// buffer of the C library keeps it.
#pragma once

#include "base/secret.h"

#include <string>

namespace sallyport::cli {

/// `path` empty: standard output. Makes the file with mode 0600; a file that is there already must be ours and private.
/// Errors  bad_config: it cannot be written, or others could read it.
Result<void> write_secret(const WipedBytes& bytes, const std::string& path);

}  // namespace sallyport::cli
