// Connections that have come in and not yet been let in, counted by the uid at their other end.
//
// Whoever holds many of them open keeps nobody else out: beyond a uid's share its own oldest one goes, and
// beyond the total the oldest of the uid that has most (threat 17).
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <string>

namespace sallyport::broker {

class Doorstep {
 public:
  static constexpr std::size_t per_uid_max = 128;
  static constexpr std::size_t total_max = 512;
  /// A TCP connection whose other end had closed before it was asked about.
  static constexpr std::uint32_t unknown_uid = 0xffff'ffff;

  /// `session` waits on the doorstep. Returns the one that has to make room; empty: none.
  std::string add(const std::string& session, std::uint32_t uid) {
    auto& own = waiting_[uid];
    own.push_back(session);
    ++total_;
    if (own.size() > per_uid_max) return take_oldest(uid);
    if (total_ <= total_max) return {};
    auto most = waiting_.begin();
    for (auto at = waiting_.begin(); at != waiting_.end(); ++at) {
      if (at->second.size() > most->second.size()) most = at;
    }
    return take_oldest(most->first);
  }

  /// It has been let in, or has left. False: it did not wait here any more.
  bool remove(const std::string& session, std::uint32_t uid) {
    const auto found = waiting_.find(uid);
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
  std::string take_oldest(std::uint32_t uid) {
    auto& own = waiting_[uid];
    auto oldest = own.front();
    own.pop_front();
    --total_;
    if (own.empty()) waiting_.erase(uid);
    return oldest;
  }

  std::map<std::uint32_t, std::deque<std::string>> waiting_;  // oldest first
  std::size_t total_ = 0;
};

}  // namespace sallyport::broker
