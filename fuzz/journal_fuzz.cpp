// The reader of lease journals: a file that a dead run, a full disk or an attacker may have left. Whatever it
// says, a lease that comes out follows the rules, and is read back the same once written.
#include "credentials/journal_entry.h"

#include <cstdint>
#include <cstdlib>
#include <set>

using namespace sallyport;
using namespace sallyport::credentials;

namespace {

void require(bool holds) {
  if (!holds) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const JournalContents contents = decode_journal({data, size});
  require(contents.leases.size() <= journal_leases_max);
  require(contents.complaints.size() <= 16);
  std::set<std::string> ids;
  for (const JournalLease& entry : contents.leases) {
    require(ids.insert(entry.lease.id).second);
    require(entry.lease.id.starts_with(entry.lease.mount_and_role + "/"));
    require(entry.lease.id.find("..") == std::string::npos ||
            entry.lease.id.find("/../") == std::string::npos);
    require(entry.run_id == contents.leases.front().run_id);
    const std::string line = encode_lease_line(entry);
    require(!line.empty());
    const JournalContents again = decode_journal(as_bytes(line));
    require(again.complaints.empty() && again.leases.size() == 1);
    require(again.leases[0].lease.id == entry.lease.id &&
            again.leases[0].lease.address == entry.lease.address);
    require(again.leases[0].granted_until == entry.granted_until);
    require(decode_journal(as_bytes(line + encode_forgotten_line(entry.lease.id))).leases.empty());
  }
  return 0;
}
