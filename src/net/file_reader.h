// Reading a secret from a file, and judging whether a file may be believed.
#pragma once

#include "base/conversation.h"
#include "base/result.h"

#include <sys/types.h>

#include <cstdint>
#include <string>

namespace sallyport::net {

/// Reads the whole file into a Secret, nothing else touches the bytes. Symbolic links are followed
/// (Kubernetes mounts secrets behind two); what counts is the file at their end, checked on the open
/// descriptor. A FIFO is read too (process substitution), for fifo_deadline at most.
///
/// Errors  hop secret_source, where = path.  not_found.  denied: the kernel says no.  bad_config: a directory
///         or device; or must_be_private and its mode lets others read or write it (with the chmod to run),
///         or its owner is neither root nor us.  limit_exceeded: above bytes_max.  timed_out: a FIFO's writer.
Result<Secret> read_file(const ReadFile& request);

inline constexpr auto fifo_deadline = std::chrono::seconds{10};

/// Two stamps that are equal mean that the file has not changed (ctime cannot be set by hand).
struct FileStamp {
  dev_t device = 0;
  ino_t inode = 0;
  std::int64_t size = 0;
  std::int64_t modified_ns = 0;
  std::int64_t changed_ns = 0;
  friend bool operator==(const FileStamp&, const FileStamp&) = default;
};

/// Of the file at the end of links. Errors as read_file.
Result<FileStamp> stamp_of(const std::string& path);

/// The file, every directory above it, and every link on the way (and what that leads through) must be
/// owned by root or by us and not writable by group or others (threat 14). Allowed besides: group root,
/// and a sticky directory of root's such as /tmp, where strangers can add but not replace. ACLs show as
/// group bits.
///
/// Errors  bad_config, hop config, where = path: the component, what is wrong with it, the chmod or chown to
///         run.  not_found.
Result<void> check_trusted_path(const std::string& path);

}  // namespace sallyport::net
