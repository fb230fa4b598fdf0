// Where a slot writes down that it holds a lease, before anybody uses it (threat 10).
#pragma once

#include "base/clock.h"
#include "base/credential.h"
#include "base/result.h"

namespace sallyport::credentials {

class LeaseJournal {
 public:
  virtual ~LeaseJournal() = default;

  /// Remembers the lease beyond our death. `granted_until` is its end if nobody renews it.
  /// Errors  limit_exceeded, internal: it could not be written; the credential must not be used.
  virtual Result<void> record(const Lease& lease, WallTime granted_until) = 0;

  /// The lease has ended: the next start need not revoke it. Failing is harmless and not reported.
  virtual void forget(const Lease& lease) = 0;
};

/// Remembers nothing: for sources without leases and for tests.
class NullLeaseJournal final : public LeaseJournal {
 public:
  Result<void> record(const Lease&, WallTime) override { return {}; }
  void forget(const Lease&) override {}
};

}  // namespace sallyport::credentials
