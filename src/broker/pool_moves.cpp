// The logins for sessions that move to a later credential: how many at once, and when others had better wait for them.
#include "broker/pool.h"

#include <algorithm>

namespace sallyport::broker {

namespace {

/// A login on a busy machine.
constexpr auto login_guess = std::chrono::milliseconds{300};
/// A session's move, its login included, on a machine that is busy with others.
constexpr auto move_guess = std::chrono::milliseconds{40};
constexpr auto press_ahead_min = std::chrono::milliseconds{1500};
constexpr auto press_ahead_max = std::chrono::seconds{5};

}  // namespace

// Of a large pool more where time is short: its moves would be too slow by fours.
std::size_t Pool::places_beyond() const {
  return std::max(logins_beyond_max, std::min(moves_at_once(), settings_.pool.max / 4));
}

Duration Pool::press_ahead() const {
  return std::clamp<Duration>(in_use_ * move_guess, press_ahead_min, press_ahead_max);
}

bool Pool::moves_press() const { return !movers_.empty() && until_next_ending() < press_ahead(); }

Duration Pool::until_next_ending() const {
  const auto now = loop_.now().mono;
  Duration left = Duration::max();
  for (const auto& [generation, end] : endings_) {
    if (end.deadline + end.doubt > now)
      left = std::min(left, std::max<Duration>(end.deadline - now, Duration::zero()));
  }
  return left;
}

// As many as it takes to move all who wait before their credential ends, if a login on a busy machine takes
// login_guess: with little time, a burst of logins is better than sessions that are ended.
std::size_t Pool::moves_at_once() const {
  const auto left = until_next_ending();
  if (left == Duration::max()) return logins_at_once_max;
  const auto wanted = movers_.size() * login_guess / std::max<Duration>(left, login_guess) + 1;
  return std::clamp(static_cast<std::size_t>(wanted), logins_at_once_max, moves_at_once_max);
}

bool Pool::log_in_for_mover() {
  if (movers_.empty()) return false;
  const auto current = slot_.current();
  for (const auto id : movers_) {
    const auto& standing = waiters_.at(id);
    // It moves away from what a login would bring: on_new_generation() goes on.
    if (current != nullptr && current->number <= standing.at->newer_than) continue;
    auto& sub = *standing.sub;
    if (!may_log_in(*sub.share, Purpose::move)) continue;
    if (sub.server_full || sub.movers.size() <= sub.connecting + usable_spares(sub)) continue;
    // Whoever moves gives a connection back for it. The last places beyond `max` are for identities that have none.
    const bool none = sub.share->logins_for(Purpose::move) == 0;
    const auto beyond = none ? places_beyond() : std::min(moves_at_once(), places_beyond());
    if (full() && !make_room(nullptr) && total() >= settings_.pool.max + beyond) continue;
    connect({&sub, Purpose::move, false, {}});
    return true;
  }
  return false;
}

}  // namespace sallyport::broker
