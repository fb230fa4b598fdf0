#include "credentials/journal.h"

#include <algorithm>
#include <cerrno>
#include <utility>

#include <fcntl.h>
#include <unistd.h>

namespace sallyport::credentials {

namespace {

constexpr std::string_view journal_suffix = ".leases";
constexpr std::string_view unfinished_suffix = ".leases.new";  ///< a compaction that did not end

/// A sweep may lock or remove our new file before we have its lock: then we make it again, this often.
constexpr int create_attempts_max = 10;

bool is_run_id(std::string_view text) {
  constexpr std::size_t run_id_bytes_max = 64;
  return !text.empty() && text.size() <= run_id_bytes_max &&
         std::all_of(text.begin(), text.end(), [](char c) {
           return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '-';
         });
}

}  // namespace

FileLeaseJournal::FileLeaseJournal(std::string directory_path, UniqueFd directory, UniqueFd file,
                                   std::string run_id)
    : directory_path_(std::move(directory_path)),
      directory_(std::move(directory)),
      file_(std::move(file)),
      run_id_(std::move(run_id)),
      name_(run_id_ + std::string(journal_suffix)) {}

Result<std::unique_ptr<FileLeaseJournal>> FileLeaseJournal::open(const std::string& directory,
                                                                 const std::string& run_id) {
  if (!is_run_id(run_id)) {
    return Error{ErrorCode::bad_config, Hop::none, "run id", "is not letters, digits and hyphens", "", ""};
  }
  auto opened = open_private_directory(directory);
  if (!opened) return opened.error();
  auto file = create(*opened, run_id + std::string(journal_suffix));
  if (!file) return file.error();
  return std::unique_ptr<FileLeaseJournal>(
      new FileLeaseJournal(directory, std::move(*opened), std::move(*file), run_id));
}

Result<UniqueFd> FileLeaseJournal::create(const UniqueFd& directory, const std::string& name) {
  for (int attempt = 0; attempt < create_attempts_max; ++attempt) {
    UniqueFd file{openat(directory.get(), name.c_str(),
                         O_RDWR | O_APPEND | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600)};
    if (!file.valid() && errno == EEXIST) {
      return Error{
          ErrorCode::bad_config, Hop::none, name, "exists already: the run id was used before", "", ""};
    }
    if (!file.valid()) return file_error(name, "cannot be made", errno);
    if (try_lock(file) && is_still_named(directory, name, file)) return file;
    if (is_still_named(directory, name, file)) unlinkat(directory.get(), name.c_str(), 0);
  }
  return Error{ErrorCode::retry_later, Hop::none, name, "could not be locked", "", ""};
}

FileLeaseJournal::~FileLeaseJournal() {
  if (lines_.empty() && is_still_named(directory_, name_, file_))
    unlinkat(directory_.get(), name_.c_str(), 0);
}

Result<void> FileLeaseJournal::record(const Lease& lease, WallTime granted_until) {
  const std::lock_guard lock{mutex_};
  if (lines_.contains(lease.id)) return {};
  if (lines_.size() >= journal_leases_max) {
    return Error{ErrorCode::limit_exceeded, Hop::none, path(), "holds too many leases", "", ""};
  }
  std::string line = encode_lease_line({lease, run_id_, granted_until});
  if (line.empty()) {
    return Error{ErrorCode::invalid_message,
                 Hop::secret_source,
                 "lease",
                 "its id does not begin with the role that it was asked of, or has characters that no id has",
                 "",
                 ""};
  }
  // Somebody removed the file behind our back: what we write into it no later start would find.
  if (!is_still_named(directory_, name_, file_)) {
    return Error{ErrorCode::internal, Hop::none, path(), "was removed or replaced", "Restart.", ""};
  }
  if (auto written = write_line(line); !written) return written;
  live_bytes_ += line.size();
  lines_.emplace(lease.id, std::move(line));
  return {};
}

void FileLeaseJournal::forget(const Lease& lease) {
  const std::lock_guard lock{mutex_};
  const auto found = lines_.find(lease.id);
  if (found == lines_.end()) return;
  live_bytes_ -= found->second.size();
  lines_.erase(found);
  if (lines_.empty() && ftruncate(file_.get(), 0) == 0) {
    file_bytes_ = 0;
    torn_ = false;
    return;
  }
  // A mark that cannot be written costs one needless revocation after a crash.
  (void)write_line(encode_forgotten_line(lease.id));
  if (file_bytes_ > journal_compact_bytes && file_bytes_ > 2 * live_bytes_) compact();
}

Result<void> FileLeaseJournal::write_line(const std::string& line) {
  auto written = append(file_, torn_ ? '\n' + line : line, path());
  if (written) {
    file_bytes_ += line.size() + (torn_ ? 1 : 0);
    torn_ = false;
    return {};
  }
  if (ftruncate(file_.get(), static_cast<off_t>(file_bytes_)) != 0) torn_ = true;
  return written;
}

/// Writes what is alive into a new file, which is locked before it takes the old one's name.
void FileLeaseJournal::compact() {
  const std::string fresh_name = run_id_ + std::string(unfinished_suffix);
  auto fresh = create(directory_, fresh_name);
  if (!fresh) return;
  std::string all;
  for (const auto& [id, line] : lines_) all += line;
  if (!append(*fresh, all, fresh_name) ||
      renameat(directory_.get(), fresh_name.c_str(), directory_.get(), name_.c_str()) != 0) {
    unlinkat(directory_.get(), fresh_name.c_str(), 0);
    return;
  }
  file_ = std::move(*fresh);
  file_bytes_ = all.size();
  torn_ = false;
}

}  // namespace sallyport::credentials
