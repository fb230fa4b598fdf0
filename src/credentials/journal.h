// Leases on disk, so that kill -9 leaves nothing behind (threat 10).
//
// Each process has one file, RUN.leases, in a private directory, and holds its flock for life. A lease is written
// before anybody logs in with its credential; when it has ended, a mark follows. The next start takes the locks
// that it can take, which are those of the dead, and revokes what their files list and its own configuration
// names: nothing in a file can make us revoke a lease elsewhere, or of another role.
//
// Written means write(2): it survives our death, not the machine's. What a power cut loses dies with its TTL.
// A forked child that keeps the descriptor keeps the lock: everything here is CLOEXEC, and helpers are forked
// before a journal is opened.
#pragma once

#include "credentials/journal_entry.h"
#include "credentials/lease_journal.h"
#include "credentials/private_file.h"

#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

namespace sallyport::credentials {

/// A journal that has grown beyond this, mostly by what is forgotten, is written anew.
inline constexpr std::size_t journal_compact_bytes = 262'144;

/// Dead journals looked at in one sweep.
inline constexpr std::size_t journal_files_max = 1'000;

class FileLeaseJournal final : public LeaseJournal {
 public:
  /// `run_id` names the file: letters, digits and hyphens, unique among runs.
  /// Errors  bad_config: the directory is not private, the run id is not one or is taken; internal: the system's.
  static Result<std::unique_ptr<FileLeaseJournal>> open(const std::string& directory,
                                                        const std::string& run_id);

  /// An empty journal is removed; one with leases is left to the next start.
  ~FileLeaseJournal() override;

  /// Thread-safe, as one journal serves the slots of all loops.
  /// Errors  invalid_message: the lease breaks the rules of decode_journal; internal: the system's, the disk is
  ///         full; limit_exceeded: journal_leases_max.
  Result<void> record(const Lease& lease, WallTime granted_until) override;
  void forget(const Lease& lease) override;

  [[nodiscard]] std::string path() const { return directory_path_ + "/" + name_; }

 private:
  FileLeaseJournal(std::string directory_path, UniqueFd directory, UniqueFd file, std::string run_id);
  static Result<UniqueFd> create(const UniqueFd& directory, const std::string& name);
  Result<void> write_line(const std::string& line);
  void compact();

  std::string directory_path_;
  UniqueFd directory_;
  UniqueFd file_;
  std::string run_id_;
  std::string name_;
  std::mutex mutex_;
  std::map<std::string, std::string> lines_;  ///< lease id -> its line, of leases that have not ended
  std::size_t live_bytes_ = 0;
  std::size_t file_bytes_ = 0;
  bool torn_ = false;  ///< part of a line is at the end and could not be cut off
};

/// The journal of a dead run, locked by us while this lives.
class OrphanedJournal {
 public:
  OrphanedJournal(std::shared_ptr<const UniqueFd> directory, UniqueFd file, std::string name,
                  JournalContents contents);

  [[nodiscard]] const std::vector<JournalLease>& leases() const { return contents_.leases; }
  [[nodiscard]] const std::vector<std::string>& complaints() const { return contents_.complaints; }
  [[nodiscard]] const std::string& name() const { return name_; }

  /// The lease has ended. The file is removed with its last one.
  void forget(const std::string& lease_id);

 private:
  std::shared_ptr<const UniqueFd> directory_;
  UniqueFd file_;
  std::string name_;
  JournalContents contents_;
};

struct OrphanedLease {
  JournalLease entry;
  std::shared_ptr<OrphanedJournal> journal;
};

struct Orphans {
  std::vector<OrphanedLease> leases;
  std::vector<std::string> complaints;  ///< for the operator: files and lines that are not ours
};

/// Takes the locks of dead journals in `directory` and reads them. A directory that does not exist has none;
/// journals of living processes are not touched, files without leases are removed. Locks go with `leases`.
///
/// `now` drops what nobody can have renewed until now (60 days after its first end).
Orphans collect_orphans(const std::string& directory, WallTime now);

/// Where leases come from. A lease is ours to revoke only if all of it matches what is configured.
struct LeaseHome {
  std::string address;
  std::string name_space;
  std::string mount_and_role;
  bool operator==(const LeaseHome&) const = default;
};

LeaseHome home_of(const Lease& lease);

}  // namespace sallyport::credentials
