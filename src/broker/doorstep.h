// Connections that have come in and not yet been let in, counted by where they come from.
//
// Whoever holds many of them open keeps nobody else out: beyond an origin's share its own oldest one goes, and
// beyond the total the oldest of the origin that has most (threat 17). A TLS handshake under way waits here, too.
#pragma once

#include "broker/origin.h"

#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>

namespace sallyport::broker {

class Doorstep {
 public:
  static constexpr std::size_t per_uid_max = 128;
  static constexpr std::size_t total_max = 512;
  static constexpr std::uint32_t unknown_uid = Origin::unknown_uid;

  /// `session` (a number, not 0) waits on the doorstep. Returns the one that has to make room; 0: none.
  std::uint64_t add(std::uint64_t session, const Origin& origin) {
    auto& own = waiting_[origin];
    own.push_back(session);
    ++total_;
    if (own.size() > per_uid_max) return take_oldest(origin);
    if (total_ <= total_max) return 0;
    auto most = waiting_.begin();
    for (auto at = waiting_.begin(); at != waiting_.end(); ++at) {
      if (at->second.size() > most->second.size()) most = at;
    }
    return take_oldest(most->first);
  }

  /// It has been let in, or has left. False: it did not wait here any more.
  bool remove(std::uint64_t session, const Origin& origin) {
    const auto found = waiting_.find(origin);
    if (found == waiting_.end()) return false;
    auto& own = found->second;
    for (auto at = own.begin(); at != own.end(); ++at) {
      if (*at != session) continue;
      own.erase(at);
      --total_;
      if (own.empty()) waiting_.erase(found);
      return true;
    }
    return false;
  }

  [[nodiscard]] std::size_t size() const { return total_; }

 private:
  std::uint64_t take_oldest(const Origin& origin) {
    const auto at = waiting_.find(origin);
    const auto oldest = at->second.front();
    at->second.pop_front();
    --total_;
    if (at->second.empty()) waiting_.erase(at);
    return oldest;
  }

  std::map<Origin, std::deque<std::uint64_t>> waiting_;  // oldest first
  std::size_t total_ = 0;
};

}  // namespace sallyport::broker
