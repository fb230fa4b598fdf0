// The few file operations of the lease journal: a private directory, locked files in it, whole reads and writes.
//
// Everything is opened relative to a directory that was checked once and is held open, without following links,
// so that a directory that somebody moves or replaces meanwhile does not redirect us (threat 8).
#pragma once

#include "base/bytes.h"
#include "base/result.h"
#include "net/fd.h"

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace sallyport::credentials {

using net::UniqueFd;

/// Opens the directory, making it and its missing parents with mode 0700.
/// Errors  bad_config: it is no directory, a link, not ours, or open to others; internal: it cannot be made.
Result<UniqueFd> open_private_directory(const std::string& path);

/// Takes the exclusive lock that flock(2) gives; false when another open file has it. The lock goes with the last
/// copy of the descriptor, at the latest with the process.
bool try_lock(const UniqueFd& file);

/// True while `name` in `directory` is this very file: between opening and locking it may have been replaced.
bool is_still_named(const UniqueFd& directory, const std::string& name, const UniqueFd& file);

/// A file that may be trusted as far as the directory is: regular, ours, not writable by others, one name.
bool is_private_file(const UniqueFd& file);

/// Names in the directory that end in `suffix`, in order, `count_max` at most.
std::vector<std::string> names_ending_in(const UniqueFd& directory, std::string_view suffix,
                                         std::size_t count_max);

/// At most `bytes_max` bytes from the start.
Result<std::vector<std::uint8_t>> read_from_start(const UniqueFd& file, std::size_t bytes_max);

/// Appends all bytes with as few writes as the kernel allows. On an error some may have been written.
Result<void> append(const UniqueFd& file, std::string_view bytes, std::string_view name);

/// internal, with the system's words for `error_number`.
Error file_error(std::string_view where, std::string_view what, int error_number);

}  // namespace sallyport::credentials
