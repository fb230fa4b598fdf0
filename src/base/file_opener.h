// Somebody who opens files for us that the sandbox keeps from us, because a reload added their directory (net/porter.h).
#pragma once

#include <functional>
#include <string>

namespace sallyport {

/// A descriptor for reading, close-on-exec and non-blocking; or -1, with errno. Null: there is nobody. Thread-safe.
using FileOpener = std::function<int(const std::string& path)>;

/// open(2) for reading, and where the kernel says EACCES, `outside`.
int open_or_ask(const std::string& path, const FileOpener& outside);

}  // namespace sallyport
