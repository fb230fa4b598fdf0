// Turns connections of a uid away at the door, before anything is set up for them, once too many of its
// connections have come to nothing within a second.
//
// A refusal in the protocol costs a hundred times what a connect(2) costs its sender: whoever connects without
// end would keep the listen queue full, and everybody else out (threat 17). Only refused and evicted
// connections are charged: who is let in is never turned away, however often it comes.
//
// Pure: the caller hands in the time.
#pragma once

#include "base/clock.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <map>

namespace sallyport::broker {

class Turnstile {
 public:
  /// Of one uid, each second: far above what a client with a wrong setting does, a tenth of a processor to refuse.
  /// Whoever goes on beyond it is left a quarter in the next second, down to `refusals_min`; a second without
  /// being turned away gives all back.
  static constexpr unsigned refusals_max = 1000;
  static constexpr unsigned refusals_min = 10;
  /// Beyond that many uids all start anew: nobody is turned away for want of room.
  static constexpr std::size_t uids_max = 1024;

  /// A connection of `uid` has come to nothing.
  void charge(std::uint32_t uid, MonotonicTime now) {
    if (charged_.size() >= uids_max && !charged_.contains(uid)) charged_.clear();
    ++current(charged_[uid], now).refusals;
  }

  /// False: the connection is to be closed at once.
  [[nodiscard]] bool lets_in(std::uint32_t uid, MonotonicTime now) {
    const auto found = charged_.find(uid);
    if (found == charged_.end()) return true;
    auto& second = current(found->second, now);
    if (second.refusals < second.allowed) return true;
    second.turned_away = true;
    return false;
  }

 private:
  struct Second {
    MonotonicTime began{};
    unsigned refusals = 0;
    unsigned allowed = refusals_max;
    bool turned_away = false;
  };

  static Second& current(Second& second, MonotonicTime now) {
    const auto age = now - second.began;
    if (age < std::chrono::seconds{1}) return second;
    const bool goes_on = second.turned_away && age < std::chrono::seconds{2};
    second = {now, 0, goes_on ? std::max(second.allowed / 4, refusals_min) : refusals_max, false};
    return second;
  }

  std::map<std::uint32_t, Second> charged_;
};

}  // namespace sallyport::broker
