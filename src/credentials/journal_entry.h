// The lines of a lease journal: what is written, and a strict reader for what a dead run (or an attacker) left.
//
// A line is one JSON object. A "lease" line says that a lease may be in use; a "forgotten" line that it has ended.
// No secret ever stands in one: a lease's id and accessor are names, which need a token to act on.
#pragma once

#include "base/bytes.h"
#include "base/clock.h"
#include "base/credential.h"

#include <cstddef>
#include <string>
#include <vector>

namespace sallyport::credentials {

/// A journal larger than this is read only so far: the rest cannot be ours, we compact long before.
inline constexpr std::size_t journal_bytes_max = 4'194'304;

/// One line, and one field in it. Vault's lease ids end in 24 characters behind a path.
inline constexpr std::size_t journal_line_bytes_max = 8'192;
inline constexpr std::size_t journal_field_bytes_max = 1'024;

/// Leases in one journal.
inline constexpr std::size_t journal_leases_max = 10'000;

struct JournalLease {
  Lease lease;  ///< id, address, name_space, mount_and_role, accessor; the rest is not kept
  std::string run_id;
  WallTime granted_until;  ///< its end when it was granted: renewals may have moved it
};

struct JournalContents {
  std::vector<JournalLease> leases;     ///< recorded and not forgotten, in order
  std::vector<std::string> complaints;  ///< lines that are not ours, at most a few; no contents are quoted
};

/// Ends in a newline. A lease that decode_journal would refuse is answered with an empty string.
std::string encode_lease_line(const JournalLease& entry);
std::string encode_forgotten_line(const std::string& lease_id);

/// Reads all complete lines; what does not parse, is too long, or fails a rule is left out and complained of.
/// An unfinished last line is what kill -9 leaves, and no complaint.
///
/// Rules   an id begins with mount_and_role + "/" and has something behind it, and neither has `..`, empty parts
///         or control characters; every line carries the run id of the first, a lease appears once.
/// Limit   journal_bytes_max, journal_line_bytes_max, journal_field_bytes_max, journal_leases_max.
JournalContents decode_journal(Bytes text);

}  // namespace sallyport::credentials
