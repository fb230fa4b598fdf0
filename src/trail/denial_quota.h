// Keeps a peer that is denied again and again from filling the disk with its denials (threat 17).
//
// The first few denials of a (route, identity, cause) are recorded one by one, with all they claimed;
// the rest of the window is one record with a count. While a peer goes on, its window doubles up to an
// hour. The number of keys and of single records is bounded over all peers, so that a million denials
// cost some hundred records a window, whoever sends them.
//
// Pure: the caller hands in the time and writes what comes back.
#pragma once

#include "base/clock.h"
#include "trail/event.h"

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <tuple>
#include <vector>

namespace sallyport::trail {

struct DenialLimits {
  Duration window = std::chrono::seconds{60};
  Duration window_max = std::chrono::hours{1};
  unsigned singles_per_key = 3;      ///< recorded one by one before counting begins
  unsigned singles_per_window = 60;  ///< over all keys, per `window`
  std::size_t keys_max = 128;        ///< further keys share one count
};

class DenialQuota {
 public:
  explicit DenialQuota(DenialLimits limits = {}) : limits_(limits) {}

  /// A denial has happened, or `denial.count` of them: the event to write now, or nothing when it was only counted. `cause` tells kinds
  /// of denials apart and holds nothing that the peer chose, or it could have a count of its own each time.
  std::optional<Event> on_denied(Event denial, std::string_view cause, MonotonicTime now);

  /// Counts whose window has ended, as events to write: `count` denials besides those written one by
  /// one, `at` the last of them, `duration_s` from the first to the last.
  std::vector<Event> take_due(MonotonicTime now);

  /// All counts, at the end of a run.
  std::vector<Event> take_all();

  /// When take_due() has something to do next; nothing while there is nothing to wait for.
  [[nodiscard]] std::optional<MonotonicTime> next_due() const;

 private:
  using Key = std::tuple<std::string, std::string, std::string>;  // route, identity, cause
  struct Entry {
    Duration window{};
    MonotonicTime ends;
    unsigned singles = 0;
    std::uint64_t counted = 0;
    WallTime first, last;
    std::string reason;  // of the first one that was counted
    std::map<std::string, std::string> verified;
  };

  bool may_be_single(Entry& entry, MonotonicTime now);
  Entry& entry_of(Key& key, MonotonicTime now);
  static Event counted_event(const Key& key, Entry& entry);

  DenialLimits limits_;
  std::map<Key, Entry> entries_;
  MonotonicTime singles_window_ends_{};
  unsigned singles_ = 0;
};

}  // namespace sallyport::trail
