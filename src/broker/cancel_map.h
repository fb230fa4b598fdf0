// Which session a cancel request means: process id and secret key, as we told the client.
//
// In session pooling the pid is the server's own, in transaction pooling a number of ours: two sessions may have the same
// one; the key decides. Keys are compared in constant time. Wrong guesses are limited per second for each uid that makes them, where that is proven:
// whoever cannot be told from others would spend their share too, so nothing but the key counts for it (32 random
// bits or more; at one connection a guess, weeks for the shortest).
#pragma once

#include "base/clock.h"
#include "base/secret.h"
#include "broker/token_bucket.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <optional>
#include <unordered_map>
#include <utility>

namespace sallyport::broker {

class Session;

class CancelMap {
 public:
  static constexpr unsigned misses_per_second_max = 20;
  static constexpr std::size_t askers_max = 4096;
  static constexpr double foreign_at_once_max = 1, foreign_per_second = 1.0 / 60;  ///< of one session, told

  static constexpr std::size_t key_bytes_max = 32;

  void add(std::int32_t pid, Bytes key, Session& session) {
    Entry entry{&session, static_cast<std::uint8_t>(std::min(key.size(), key_bytes_max)), {}};
    std::copy_n(key.begin(), entry.size, entry.bytes.begin());
    entries_.emplace(pid, entry);
  }

  void remove(std::int32_t pid, const Session& session) {
    foreign_.erase(&session);
    const auto [from, to] = entries_.equal_range(pid);
    for (auto at = from; at != to; ++at) {
      if (at->second.session == &session) {
        entries_.erase(at);
        return;
      }
    }
  }

  /// Null: no session has this key, or `asker` (a proven uid) has guessed wrong too often in this second.
  /// `counts`: a miss is a wrong guess; false: another process is still to be asked.
  Session* find(std::int32_t pid, Bytes key, MonotonicTime now, std::optional<std::uint32_t> asker,
                bool counts = true) {
    if (has_guessed_enough(now, asker)) return nullptr;
    auto* found = look_up(pid, key);
    if (found == nullptr && counts) count_miss(now, asker);
    return found;
  }

  bool has_guessed_enough(MonotonicTime now, std::optional<std::uint32_t> asker) {
    if (!asker) return false;
    begin_window(now);
    const auto guessed = misses_.find(*asker);
    return guessed != misses_.end() && guessed->second >= misses_per_second_max;
  }

  void count_miss(MonotonicTime now, std::optional<std::uint32_t> asker) {
    if (!asker) return;
    begin_window(now);
    if (misses_.size() < askers_max) ++misses_[*asker];
  }

  /// A cancel had the key of this session and was not its owner's. None: too many are told already (threat 17); else how
  /// many were not since the last one. Each session has a share of its own: nobody's noise covers what is done to others.
  std::optional<unsigned> tell_foreign(const Session& session, MonotonicTime now) {
    auto& foreign = foreign_[&session];
    if (foreign.quota.take(foreign_at_once_max, foreign_per_second, now))
      return std::exchange(foreign.untold, 0);
    ++foreign.untold;
    return std::nullopt;
  }

 private:
  void begin_window(MonotonicTime now) {
    if (now - window_ <= std::chrono::seconds{1}) return;
    window_ = now;
    misses_.clear();
  }

  Session* look_up(std::int32_t pid, Bytes key) {
    Session* found = nullptr;
    const auto [from, to] = entries_.equal_range(pid);
    for (auto at = from; at != to; ++at) {
      if (equal_in_constant_time(at->second.key(), key)) found = at->second.session;
    }
    return found;
  }

  struct Entry {
    Session* session;
    std::uint8_t size;
    std::array<std::uint8_t, key_bytes_max> bytes;
    [[nodiscard]] Bytes key() const { return Bytes{bytes}.first(size); }
  };
  struct Foreign {
    TokenBucket quota;
    unsigned untold = 0;
  };
  std::unordered_multimap<std::int32_t, Entry> entries_;
  std::unordered_map<const Session*, Foreign> foreign_;  // only those that it has happened to
  MonotonicTime window_{};
  std::unordered_map<std::uint32_t, unsigned> misses_;  // in this second
};

}  // namespace sallyport::broker
