// Writing or shadowing a configuration is execution (threat 14): who may write the files that we obey, which are
// the configuration, authorities, revocation lists, certificates, keys and the programs of `exec:`.
#pragma once

#include "base/file_opener.h"
#include "base/result.h"

#include <cstddef>
#include <string>

namespace sallyport {

/// Reads FILE after checking it and every directory on the way to it, links followed by hand:
/// - each directory and the file belong to root or to our user, and neither group nor others may write them;
/// - a directory that all may write but only owners may change (sticky: /tmp, and the volumes in which Kubernetes
///   mounts secrets) is accepted only when what lies in it on the way is a directory, which is then checked like
///   the others, or a link; never the file itself;
/// - links belong to root or to our user.
/// What is read is what was checked (one descriptor). `outside` opens what we may not: it is the file that was checked,
/// or nothing.
///
/// Errors  bad_config: not an absolute path, missing, not a regular file, unreadable, or somebody else could
///         have written it; `what` names the directory or file, its mode and owner, the hint the command.
///         limit_exceeded: longer than `bytes_max`.
Result<std::string> read_trusted_file(const std::string& path, std::size_t bytes_max,
                                      const FileOpener& outside = nullptr);

/// The same checks; the descriptor for reading (close-on-exec, non-blocking) is the caller's.
Result<int> open_trusted_file(const std::string& path, const FileOpener& outside = nullptr);

/// The same checks without reading.
Result<void> check_trusted_file(const std::string& path);

/// An error of theirs with `where` = path: the place is said once, also when it is the file itself and not a
/// directory above it.
Error located_at(const std::string& path, Error error);

}  // namespace sallyport
