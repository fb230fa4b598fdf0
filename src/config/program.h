// A program that a rule names, looked at when the configuration is read.
#pragma once

#include "config/reader.h"
#include "policy/process_identity.h"

#include <sys/stat.h>

namespace sallyport::config {

/// Programs are statically linked at worst: one of 300 MB is hashed in a second.
inline constexpr std::size_t program_bytes_max = 512U << 20;

/// Which file that is, as stat(2) tells.
policy::ExecutableId id_of(const struct stat& file);

/// `outside` opens what the sandbox keeps from us.
///
/// Errors  bad_config: it is missing, no regular file, unreadable, or others could write it; limit_exceeded.
Result<Program> look_at_program(const std::string& path, const FileOpener& outside = nullptr);

}  // namespace sallyport::config
