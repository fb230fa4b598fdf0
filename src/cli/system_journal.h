// The copy of the audit trail that the child of `exec`, being of our account, cannot change (threat 9).
#pragma once

#include "net/datagram.h"

#include <atomic>
#include <cstdint>
#include <memory>
#include <string_view>

namespace sallyport::cli {

class SystemJournal {
 public:
  /// Null: this machine has none (no socket of root's at /run/systemd/journal/socket).
  static std::shared_ptr<SystemJournal> find();

  /// One entry (trail/journal_entry.h). What the journal does not take is counted, not tried again.
  void send(std::string_view entry);
  [[nodiscard]] std::uint64_t lost() const { return lost_; }

 private:
  SystemJournal();

  net::UnixDatagrams socket_;
  std::atomic<std::uint64_t> lost_ = 0;
};

}  // namespace sallyport::cli
