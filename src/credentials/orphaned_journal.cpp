// Reading the journals of the dead.
#include "credentials/journal.h"

#include <algorithm>
#include <cerrno>
#include <utility>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

namespace sallyport::credentials {

namespace {

constexpr std::string_view journal_suffix = ".leases";
constexpr std::string_view unfinished_suffix = ".leases.new";

/// Nobody was alive to renew it, and Vault's longest lease is 32 days unless somebody tuned it.
constexpr auto orphan_age_max = std::chrono::hours{24 * 60};

/// The file, if it is a dead run's: locked and still in its place.
UniqueFd open_dead(const UniqueFd& directory, const std::string& name, std::vector<std::string>& complaints) {
  UniqueFd file{
      openat(directory.get(), name.c_str(), O_RDWR | O_APPEND | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC)};
  if (!file.valid()) {
    if (errno != ENOENT) complaints.push_back(name + " cannot be opened and is left alone");
    return {};
  }
  if (!is_private_file(file)) {
    complaints.push_back(name + " is not a private file of ours and is left alone");
    return {};
  }
  if (!try_lock(file) || !is_still_named(directory, name, file)) return {};
  return file;
}

void remove_unfinished(const UniqueFd& directory, std::vector<std::string>& complaints) {
  for (const std::string& name : names_ending_in(directory, unfinished_suffix, journal_files_max)) {
    if (open_dead(directory, name, complaints).valid()) unlinkat(directory.get(), name.c_str(), 0);
  }
}

/// What the file says, without what its name contradicts and what is too old to live.
JournalContents read_journal(const UniqueFd& file, const std::string& name, WallTime now) {
  auto bytes = read_from_start(file, journal_bytes_max + 1);
  if (!bytes) return {{}, {describe(bytes.error())}};
  JournalContents contents = decode_journal(*bytes);
  const std::string run_id = name.substr(0, name.size() - journal_suffix.size());
  const auto foreign = [&](const JournalLease& entry) { return entry.run_id != run_id; };
  if (std::erase_if(contents.leases, foreign) > 0) {
    contents.complaints.emplace_back("leases of another run than the file's name says");
  }
  std::erase_if(contents.leases,
                [now](const JournalLease& entry) { return entry.granted_until + orphan_age_max < now; });
  return contents;
}

}  // namespace

OrphanedJournal::OrphanedJournal(std::shared_ptr<const UniqueFd> directory, UniqueFd file, std::string name,
                                 JournalContents contents)
    : directory_(std::move(directory)),
      file_(std::move(file)),
      name_(std::move(name)),
      contents_(std::move(contents)) {}

void OrphanedJournal::forget(const std::string& lease_id) {
  const auto same = [&](const JournalLease& entry) { return entry.lease.id == lease_id; };
  if (std::erase_if(contents_.leases, same) == 0) return;
  if (contents_.leases.empty()) {
    if (is_still_named(*directory_, name_, file_)) unlinkat(directory_->get(), name_.c_str(), 0);
    return;
  }
  // The newline ends what kill -9 may have left unfinished.
  (void)append(file_, '\n' + encode_forgotten_line(lease_id), name_);
}

Orphans collect_orphans(const std::string& directory_path, WallTime now) {
  Orphans found;
  struct stat facts {};
  if (lstat(directory_path.c_str(), &facts) != 0 && errno == ENOENT) return found;
  auto opened = open_private_directory(directory_path);
  if (!opened) {
    found.complaints.push_back(describe(opened.error()));
    return found;
  }
  const auto directory = std::make_shared<const UniqueFd>(std::move(*opened));
  remove_unfinished(*directory, found.complaints);
  for (const std::string& name : names_ending_in(*directory, journal_suffix, journal_files_max)) {
    UniqueFd file = open_dead(*directory, name, found.complaints);
    if (!file.valid()) continue;
    JournalContents contents = read_journal(file, name, now);
    for (const std::string& text : contents.complaints) found.complaints.push_back(name + ": " + text);
    if (contents.leases.empty()) {
      unlinkat(directory->get(), name.c_str(), 0);
      continue;
    }
    const auto journal =
        std::make_shared<OrphanedJournal>(directory, std::move(file), name, std::move(contents));
    for (const JournalLease& entry : journal->leases()) found.leases.push_back({entry, journal});
  }
  return found;
}

LeaseHome home_of(const Lease& lease) { return {lease.address, lease.name_space, lease.mount_and_role}; }

}  // namespace sallyport::credentials
