#include "broker/kept_notes.h"

#include "base/limits.h"

#include <utility>

namespace sallyport::broker {

namespace {

bool is_denial(const trail::Event& event) { return event.kind == trail::EventKind::session_denied; }

}  // namespace

bool KeptNotes::fits(std::size_t count, std::size_t bytes) {
  return count <= limits::trail_kept_max && bytes <= limits::trail_kept_bytes_max;
}

void KeptNotes::lose(const trail::Event& event) {
  if (is_denial(event)) {
    lost_.denials += event.count.value_or(1);
  } else {
    ++lost_.others;
  }
}

void KeptNotes::add(trail::Event event) {
  const auto size = trail::bytes_in_memory(event);
  const bool denial = is_denial(event);
  // Denials are not given up for what finds no room without them either.
  const bool has_room =
      denial ? fits(this->size() + 1, bytes() + size) : fits(others_.size() + 1, others_bytes_ + size);
  if (!has_room) return lose(event);
  while (!fits(this->size() + 1, bytes() + size)) {
    lose(denials_.back().event);
    denials_bytes_ -= denials_.back().bytes;
    denials_.pop_back();
  }
  (denial ? denials_bytes_ : others_bytes_) += size;
  (denial ? denials_ : others_).push_back({++added_, size, std::move(event)});
}

std::vector<const trail::Event*> KeptNotes::first(std::size_t bytes_max) const {
  std::vector<const trail::Event*> events;
  auto denial = denials_.begin();
  auto other = others_.begin();
  for (std::size_t bytes = 0; denial != denials_.end() || other != others_.end();) {
    const bool is_other =
        denial == denials_.end() || (other != others_.end() && other->order < denial->order);
    const auto& next = is_other ? *other : *denial;
    bytes += next.bytes;
    if (bytes > bytes_max && !events.empty()) break;
    events.push_back(&next.event);
    ++(is_other ? other : denial);
  }
  return events;
}

void KeptNotes::remove_first(std::size_t count) {
  for (; count != 0; --count) {
    const bool is_other =
        denials_.empty() || (!others_.empty() && others_.front().order < denials_.front().order);
    auto& notes = is_other ? others_ : denials_;
    (is_other ? others_bytes_ : denials_bytes_) -= notes.front().bytes;
    notes.pop_front();
  }
}

}  // namespace sallyport::broker
