// Reading a secret from a file.
#pragma once

#include "base/conversation.h"
#include "base/file_opener.h"
#include "base/result.h"

namespace sallyport::net {

/// Reads the whole file into a Secret, nothing else touches the bytes. Symbolic links are followed
/// (Kubernetes mounts secrets behind two); what counts is the file at their end, checked on the open
/// descriptor. A FIFO is read too (process substitution), for fifo_deadline at most.
///
/// Errors  hop secret_source, where = path.  not_found.  denied: the kernel says no.  bad_config: a directory
///         or device; or is_private and its mode lets others read or write it (with the chmod to run), or its owner
///         is neither root nor us; or only_we_write and somebody else could have written it, or put it there.  limit_exceeded: above bytes_max.  timed_out: a FIFO's writer.
/// `outside` opens what we may not.
Result<Secret> read_file(const ReadFile& request, const FileOpener& outside = nullptr);

inline constexpr auto fifo_deadline = std::chrono::seconds{10};

}  // namespace sallyport::net
