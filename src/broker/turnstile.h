// Turns connections of an origin away at the door, before anything is set up for them, once a thousand of its
// connections have come to nothing within a second and still more of them arrive at once.
//
// A refusal in the protocol costs a hundred times what a connect(2) costs its sender: whoever connects without
// end would keep the listen queue full, and everybody else out (threat 17). A client with a wrong setting
// that tries again without pause is not meant: one after another its connections are heard, and so are those of
// its neighbours with the same uid.
//
// Pure: the caller hands in the time.
#pragma once

#include "base/clock.h"
#include "broker/origin.h"

#include <cstddef>
#include <cstdint>
#include <map>

namespace sallyport::broker {

class Turnstile {
 public:
  /// Connections of one uid that come to nothing, each second: a tenth of a processor to refuse.
  static constexpr unsigned refusals_per_second = 1000;
  /// Beyond that, of what arrives within one turn of the loop.
  static constexpr unsigned arrivals_per_turn = 8;
  /// Beyond that many uids and networks all start anew: nobody is turned away for want of room.
  static constexpr std::size_t origins_max = 1024;

  /// A connection of `origin` has come to nothing.
  void charge(const Origin& origin, MonotonicTime now) {
    if (charged_.size() >= origins_max && !charged_.contains(origin)) charged_.clear();
    ++current(charged_[origin], now).refusals;
  }

  /// False: the connection is to be closed at once. `now` is the same for all of a turn.
  [[nodiscard]] bool lets_in(const Origin& origin, MonotonicTime now) {
    const auto found = charged_.find(origin);
    if (found == charged_.end()) return true;
    auto& second = current(found->second, now);
    if (second.refusals < refusals_per_second) return true;
    if (second.turn != now) {
      second.turn = now;
      second.arrivals = 0;
    }
    return ++second.arrivals <= arrivals_per_turn;
  }

 private:
  struct Second {
    MonotonicTime began{};
    unsigned refusals = 0;
    MonotonicTime turn{};
    unsigned arrivals = 0;  // in that turn, once beyond refusals_per_second
  };

  static Second& current(Second& second, MonotonicTime now) {
    if (now - second.began >= std::chrono::seconds{1}) second = {now, 0, {}, 0};
    return second;
  }

  std::map<Origin, Second> charged_;
};

}  // namespace sallyport::broker
