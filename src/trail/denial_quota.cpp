#include "trail/denial_quota.h"

namespace sallyport::trail {
namespace {

constexpr std::string_view shared_cause = "shared";
constexpr std::string_view shared_reason = "denials of further peers, more than are told apart";

}  // namespace

DenialQuota::Entry& DenialQuota::entry_of(Key& key, MonotonicTime now) {
  auto found = entries_.find(key);
  if (found == entries_.end() && entries_.size() >= limits_.keys_max) {
    key = Key{"", "", std::string{shared_cause}};
    found = entries_.find(key);
  }
  if (found == entries_.end()) {
    Entry fresh;
    fresh.window = limits_.window;
    fresh.ends = now + limits_.window;
    found = entries_.emplace(key, std::move(fresh)).first;
  }
  return found->second;
}

bool DenialQuota::may_be_single(Entry& entry, MonotonicTime now) {
  if (now >= singles_window_ends_) {
    singles_window_ends_ = now + limits_.window;
    singles_ = 0;
  }
  if (entry.singles >= limits_.singles_per_key || singles_ >= limits_.singles_per_window) return false;
  ++entry.singles;
  ++singles_;
  return true;
}

std::optional<Event> DenialQuota::on_denied(Event denial, std::string_view cause, MonotonicTime now) {
  Key key{denial.route, identity_of(denial), std::string{cause}};
  auto& entry = entry_of(key, now);
  const bool shared = std::get<2>(key) == shared_cause;
  if (!shared && may_be_single(entry, now)) return denial;
  if (entry.counted == 0) {
    entry.first = denial.at;
    entry.reason = shared ? std::string{shared_reason} : std::move(denial.reason);
    if (!shared) entry.verified = std::move(denial.verified);
  }
  entry.last = denial.at;
  entry.counted += denial.count.value_or(1);
  return std::nullopt;
}

Event DenialQuota::counted_event(const Key& key, Entry& entry) {
  Event event;
  event.kind = EventKind::session_denied;
  event.at = entry.last;
  event.route = std::get<0>(key);
  event.result = "denied";
  event.reason = std::exchange(entry.reason, {});
  event.count = std::exchange(entry.counted, 0);
  event.duration_s = std::max(0.0, std::chrono::duration<double>(entry.last - entry.first).count());
  event.verified = std::exchange(entry.verified, {});
  // Of one of many processes: it would only mislead.
  for (const auto* one : {"pid", "gid", "executable"}) event.verified.erase(one);
  return event;
}

std::vector<Event> DenialQuota::take_due(MonotonicTime now) {
  std::vector<Event> events;
  for (auto at = entries_.begin(); at != entries_.end();) {
    auto& [key, entry] = *at;
    if (now < entry.ends) {
      ++at;
    } else if (entry.counted == 0) {
      at = entries_.erase(at);  // quiet for a whole window: it begins anew
    } else {
      events.push_back(counted_event(key, entry));
      entry.window = std::min(entry.window * 2, limits_.window_max);
      entry.ends = now + entry.window;
      ++at;
    }
  }
  return events;
}

std::vector<Event> DenialQuota::take_all() {
  std::vector<Event> events;
  for (auto& [key, entry] : entries_) {
    if (entry.counted != 0) events.push_back(counted_event(key, entry));
  }
  entries_.clear();
  return events;
}

std::optional<MonotonicTime> DenialQuota::next_due() const {
  std::optional<MonotonicTime> due;
  for (const auto& [key, entry] : entries_) {
    if (!due || entry.ends < *due) due = entry.ends;
  }
  return due;
}

}  // namespace sallyport::trail
