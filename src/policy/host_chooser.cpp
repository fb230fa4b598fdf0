#include "policy/host_chooser.h"

#include <algorithm>
#include <numeric>
#include <utility>

namespace sallyport::policy {

namespace {

std::uint64_t next_of(std::uint64_t& state) {  // splitmix64
  std::uint64_t z = (state += 0x9e3779b97f4a7c15);
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
  z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
  return z ^ (z >> 31);
}

}  // namespace

std::vector<std::size_t> HostChooser::order(const std::vector<std::string>& places, MonotonicTime now,
                                            bool shuffle, std::uint64_t random) const {
  // Class, then when its back-off ends.
  std::vector<std::pair<int, MonotonicTime>> standing(places.size(), {0, MonotonicTime{}});
  for (std::size_t i = 0; i < places.size(); ++i) {
    const auto known = places_.find(places[i]);
    if (known == places_.end()) continue;
    if (known->second.failed_until > now) {
      standing[i] = {2, known->second.failed_until};
    } else if (known->second.last == Found::unsuited) {
      standing[i] = {1, MonotonicTime{}};
    }
  }
  std::vector<std::size_t> order(places.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  if (shuffle) {
    for (auto left = order.size(); left > 1; --left)
      std::swap(order[left - 1], order[next_of(random) % left]);
  }
  std::stable_sort(order.begin(), order.end(),
                   [&](std::size_t a, std::size_t b) { return standing[a] < standing[b]; });
  return order;
}

std::optional<HostChooser::Standing> HostChooser::standing(const std::string& place,
                                                           MonotonicTime now) const {
  const auto known = places_.find(place);
  if (known == places_.end()) return std::nullopt;
  return Standing{known->second.last, std::max<Duration>(known->second.failed_until - now, Duration::zero())};
}

void HostChooser::note(const std::string& name, Found found, MonotonicTime now, std::uint64_t random) {
  auto& place = places_[name];
  place.last = found;
  place.noted_at = now;
  if (found != Found::failed) {
    place.failures = 0;
    place.failed_until = {};
  } else {
    Duration wait = back_off_first;
    for (unsigned i = 0; i < place.failures && wait < back_off_max; ++i) wait *= 2;
    wait = std::min<Duration>(wait, back_off_max);
    ++place.failures;
    // Between half of it and all.
    wait = wait / 2 + wait / 2 / 1024 * static_cast<int>(next_of(random) % 1025);
    place.failed_until = now + wait;
  }
  if (places_.size() > places_max) forget_oldest();
}

void HostChooser::forget_oldest() {
  const auto oldest = std::min_element(places_.begin(), places_.end(), [](const auto& a, const auto& b) {
    return a.second.noted_at < b.second.noted_at;
  });
  places_.erase(oldest);
}

}  // namespace sallyport::policy
