// Revoking what dead runs left, once a slot knows its own source's address and has a token to do it with.
#pragma once

#include "credentials/journal.h"

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

namespace sallyport::credentials {

struct SweepReport {
  std::size_t revoked = 0;
  std::vector<std::string> complaints;  ///< leases that stay and why; files and lines that are not ours
};

/// Slot::revoke_orphan of the slot whose home it is, or what leads there.
using RevokeOrphan = std::function<void(Lease lease, std::function<void(Result<void>)> done)>;

/// One per process and directory; used on one thread. Slots may sweep while others' sweeps are not over.
class OrphanSweeper {
 public:
  explicit OrphanSweeper(std::string directory) : directory_(std::move(directory)) {}

  /// Revokes, through `revoke`, the leases of dead runs whose address, namespace, mount and role are `home`'s:
  /// call it from on_new_generation for the slot's first leased generation, with home_of its lease. What is
  /// revoked leaves its journal; what is not stays for the next start. `done` comes once, perhaps from within.
  void sweep(const RevokeOrphan& revoke, const LeaseHome& home, WallTime now,
             std::function<void(SweepReport)> done);

 private:
  std::vector<OrphanedLease> collect(WallTime now, std::vector<std::string>& complaints);

  std::string directory_;
  /// Locked by a sweep of ours that is not over: a second look at the file would find it taken.
  std::map<std::string, std::weak_ptr<OrphanedJournal>> open_;
};

}  // namespace sallyport::credentials
