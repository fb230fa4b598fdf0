// What was learned a moment ago of a process that is held by a pidfd, so that whoever connects again and again costs one
// look at /proc and not one a connection.
//
// Since Linux 6.9 a pidfd's inode is a number that no later process gets; without that nothing is remembered. A pid would
// not do: it is given away (threat 6).
#pragma once

#include "base/clock.h"
#include "net/fd.h"

#include <chrono>
#include <cstdint>
#include <optional>
#include <unordered_map>

namespace sallyport::net {

/// The number that this process has and no other one ever. None: the kernel has no such number.
std::optional<std::uint64_t> process_number(const UniqueFd& pidfd);

/// Of the last second, and of a bounded number of processes. Not thread-safe.
template <typename Fact>
class RecentFacts {
 public:
  /// Null: nothing that is fresh enough.
  const Fact* find(std::uint64_t process, MonotonicTime now) const {
    const auto known = known_.find(process);
    const bool fresh = known != known_.end() && now - known->second.at < fresh_for;
    return fresh ? &known->second.fact : nullptr;
  }

  void remember(std::uint64_t process, Fact fact, MonotonicTime now) {
    if (known_.size() >= processes_max) known_.clear();
    known_.insert_or_assign(process, Entry{std::move(fact), now});
  }

  static constexpr auto fresh_for = std::chrono::seconds{1};
  static constexpr std::size_t processes_max = 1024;

 private:
  struct Entry {
    Fact fact;
    MonotonicTime at;
  };
  std::unordered_map<std::uint64_t, Entry> known_;
};

}  // namespace sallyport::net
