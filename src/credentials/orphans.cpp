#include "credentials/orphans.h"

#include <utility>

namespace sallyport::credentials {

namespace {

/// What one sweep still waits for; the last callback to let go of it reports.
struct Sweep {
  explicit Sweep(std::function<void(SweepReport)> callback) : done(std::move(callback)) {}
  std::function<void(SweepReport)> done;
  SweepReport report;
  std::size_t pending = 1;

  void one_less() {
    if (--pending == 0) done(std::move(report));
  }
};

}  // namespace

std::vector<OrphanedLease> OrphanSweeper::collect(WallTime now, std::vector<std::string>& complaints) {
  std::vector<OrphanedLease> leases;
  for (auto it = open_.begin(); it != open_.end();) {
    const auto journal = it->second.lock();
    if (!journal) {
      it = open_.erase(it);
      continue;
    }
    for (const JournalLease& entry : journal->leases()) leases.push_back({entry, journal});
    ++it;
  }
  Orphans fresh = collect_orphans(directory_, now);
  for (OrphanedLease& lease : fresh.leases) {
    open_[lease.journal->name()] = lease.journal;
    leases.push_back(std::move(lease));
  }
  complaints = std::move(fresh.complaints);
  return leases;
}

void OrphanSweeper::sweep(const RevokeOrphan& revoke, const LeaseHome& home, WallTime now,
                          std::function<void(SweepReport)> done) {
  const auto sweep = std::make_shared<Sweep>(std::move(done));
  for (OrphanedLease& orphan : collect(now, sweep->report.complaints)) {
    if (home_of(orphan.entry.lease) != home) continue;
    ++sweep->pending;
    revoke(orphan.entry.lease, [sweep, orphan](Result<void> result) {
      if (result) {
        ++sweep->report.revoked;
        orphan.journal->forget(orphan.entry.lease.id);
      } else {
        sweep->report.complaints.push_back("lease " + orphan.entry.lease.id +
                                           " of a dead run stays: " + describe(result.error()));
      }
      sweep->one_less();
    });
  }
  sweep->one_less();
}

}  // namespace sallyport::credentials
