// Records that nobody waits for, until the trail takes them.
//
// While it cannot be written they would grow without end, so they are bounded by number and by bytes. Who was let in
// matters more than who was not: where room is short, denials go first, the latest of them, as the first ones tell how
// it began. What goes is counted, to be told.
#pragma once

#include "trail/event.h"

#include <cstddef>
#include <cstdint>
#include <deque>
#include <vector>

namespace sallyport::broker {

class KeptNotes {
 public:
  struct Lost {
    std::uint64_t denials = 0;  ///< also those that a record with a count stood for
    std::uint64_t others = 0;
  };

  /// Behind all others.
  ///
  /// Limits  trail_kept_max, trail_kept_bytes_max: above them denials are dropped, or, where that does not help,
  ///         `event` itself.
  void add(trail::Event event);

  /// The first in order, up to `bytes_max` in memory, but at least one; valid until the next change.
  [[nodiscard]] std::vector<const trail::Event*> first(std::size_t bytes_max) const;
  /// They have been written. `count` is at most size().
  void remove_first(std::size_t count);

  [[nodiscard]] bool empty() const { return size() == 0; }
  [[nodiscard]] std::size_t size() const { return denials_.size() + others_.size(); }
  [[nodiscard]] std::size_t bytes() const { return denials_bytes_ + others_bytes_; }

  [[nodiscard]] Lost lost() const { return lost_; }
  void forget_lost() { lost_ = {}; }

 private:
  struct Note {
    std::uint64_t order = 0;  // over both queues
    std::size_t bytes = 0;
    trail::Event event;
  };

  [[nodiscard]] static bool fits(std::size_t count, std::size_t bytes);
  void lose(const trail::Event& event);

  std::deque<Note> denials_, others_;
  std::size_t denials_bytes_ = 0, others_bytes_ = 0;
  std::uint64_t added_ = 0;
  Lost lost_;
};

}  // namespace sallyport::broker
