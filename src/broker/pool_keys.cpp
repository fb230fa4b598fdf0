// Which keys a pool knows, and for which of them connections stand ready.
//
// A key is kept warm once a client has had a connection of it (or is expected), and no longer than the server lets it
// in: what it refuses for what was asked (a database that is gone, a setting that it does not know) it would refuse
// every two seconds for ever. Keys are forgotten in a turn of their own: whoever asks for one may stand in the middle
// of another's.
#include "base/limits.h"
#include "broker/pool.h"

#include <algorithm>
#include <utility>
#include <vector>

namespace sallyport::broker {

namespace {

constexpr std::size_t keys_unneeded_max = 64;

}  // namespace

Pool::Sub& Pool::sub_of(const PoolKey& key) {
  const auto found = subs_.find(key);
  if (found != subs_.end()) return *found->second;
  auto fresh = std::make_unique<Sub>();
  fresh->number = next_sub_++;
  fresh->key = key;
  fresh->last_taken = loop_.now().mono;
  fresh->share = &shares_[key.identity];
  fresh->shelf = &fresh->share->shelves[key.database];
  auto& shelf = *fresh->shelf;
  shelf.subs.emplace(fresh->number, fresh.get());
  auto& sub = *subs_.emplace(key, std::move(fresh)).first->second;
  // Those left are in use: looking at all of them again for each new one would be quadratic.
  if (shelf.subs.size() > std::max(limits::pool_profiles_max, shelf.forget_at)) {
    shelf.forget_at = shelf.subs.size() + shelf.subs.size() / 4;
    loop_.post([this, alive = alive_, identity = key.identity, database = key.database] {
      if (!*alive) return;
      const auto share = shares_.find(identity);
      if (share == shares_.end()) return;
      const auto its = share->second.shelves.find(database);
      if (its != share->second.shelves.end()) forget_profiles(its->second);
    });
  }
  if (subs_.size() > std::max(keys_unneeded_max, forget_at_)) {
    forget_at_ = subs_.size() + subs_.size() / 4;
    loop_.post([this, alive = alive_] {
      if (*alive) forget_unneeded();
    });
  }
  return sub;
}

// The least recently used of one identity in one database, beyond the limit. The shelf may be gone afterwards.
void Pool::forget_profiles(pool_parts::Shelf& shelf) {
  const auto known = shelf.subs.size();
  if (known <= limits::pool_profiles_max) return;
  std::vector<Sub*> unused;
  for (const auto& [number, sub] : shelf.subs) {
    if (sub->unused()) unused.push_back(sub);
  }
  std::sort(unused.begin(), unused.end(), [](const Sub* a, const Sub* b) {
    return std::pair{a->last_taken, a->number} < std::pair{b->last_taken, b->number};
  });
  const auto gone = std::min(unused.size(), known - limits::pool_profiles_max);
  shelf.forget_at = (known - gone) + (known - gone) / 4;
  for (std::size_t i = 0; i < gone; ++i) forget(*unused[i]);
}

// Nothing stands on them, and nobody is expected to come with them. Of those left, the profiles beyond the limit.
void Pool::forget_unneeded() {
  std::vector<Sub*> unneeded;
  for (const auto& [key, sub] : subs_) {
    if (sub->unused() && sub->spares.empty() && !keeps_ready(*sub)) unneeded.push_back(sub.get());
  }
  for (auto* sub : unneeded) forget(*sub);
  std::vector<pool_parts::Shelf*> shelves;
  for (auto& [identity, share] : shares_) {
    for (auto& [database, shelf] : share.shelves) shelves.push_back(&shelf);
  }
  for (auto* shelf : shelves) forget_profiles(*shelf);
  forget_at_ = subs_.size() + subs_.size() / 4;
}

void Pool::forget(Sub& sub) {
  close_spares(sub);
  step_out(sub);  // behind that: it lines up whoever had counted on a spare
  if (sub.listed) std::erase(short_, &sub);
  auto* share = sub.share;
  sub.shelf->subs.erase(sub.number);
  if (sub.shelf->subs.empty()) share->shelves.erase(sub.key.database);
  if (share->shelves.empty()) shares_.erase(sub.key.identity);
  const auto key = sub.key;
  subs_.erase(key);
}

bool Pool::keeps_ready(const Sub& sub) const {
  return sub.warm && !sub.refused && !sub.given_up && settings_.pool.min_ready > 0;
}

// Under a storm of profiles none of them is logged in ahead.
bool Pool::runs_short(const Sub& sub) const {
  return keeps_ready(sub) && !sub.held_back && !sub.server_full &&
         sub.shelf->subs.size() <= limits::pool_profiles_max &&
         sub.connecting + usable_spares(sub) < settings_.pool.min_ready;
}

void Pool::warm(const PoolKey& key, std::function<void(Result<void>)> done) {
  auto& sub = sub_of(key);
  sub.warm = true;
  if (settings_.pool.min_ready > 0) connect({&sub, Purpose::ahead, false, std::move(done)});
  line_up(sub);
  pump();
}

void Pool::keep_ready(const PoolKey& key) {
  auto& sub = sub_of(key);
  sub.warm = true;
  line_up(sub);
  pump();
}

void Pool::give_up(const std::string& database, const std::string& identity) {
  loop_.post([this, alive = alive_, database, identity] {
    if (*alive) close_given_up(database, identity);
  });
}

void Pool::close_spares(Sub& sub) {
  for (auto at = sub.spares.begin(); at != sub.spares.end();) {
    close_politely((*at)->upstream());
    at = drop_spare(sub, at);
  }
}

// Whether the client may drop it the server says later: what anybody can ask for must not keep the others from having
// their connections ready.
void Pool::close_given_up(const std::string& database, const std::string& identity) {
  const auto now = loop_.now().mono;
  if (now - given_up_since_ > given_up_within) {
    given_up_since_ = now;
    given_up_ = 0;
  }
  const bool all = given_up_ < given_up_max;
  bool others = false;
  for (auto& [key, sub] : subs_) {
    const bool own = !settings_.pool.shared_by_role && key.identity == identity;
    if (key.database != database || sub->is_own() || (!own && !all)) continue;
    // Who waits for a connection, or has one, has asked for it.
    if (!own && !sub->given_up) others = true;
    sub->given_up = true;
    close_spares(*sub);
  }
  if (others) ++given_up_;
  pump();
}

void Pool::refresh(const std::string& identity) {
  loop_.post([this, alive = alive_, identity] {
    if (!*alive || stopped_) return;
    if (refresh_all()) return;
    for (auto& [key, sub] : subs_) {
      const bool own = !settings_.pool.shared_by_role && key.identity == identity;
      if (!own || sub->is_own() || !tries_logins()) continue;
      ++sub->epoch;
      sub->greeting = nullptr;
      close_spares(*sub);
    }
    if (!std::exchange(refresh_is_due_, true)) refresh_others_later();
    pump();
  });
}

// Else what stands ready is all that there will be for a while.
bool Pool::tries_logins() const { return !held_ && slot_.current() != nullptr && !slot_.is_blocked(); }

// False: not now. What others live on is not taken from them so often that their logins come to nothing.
bool Pool::refresh_all() {
  constexpr auto per_second = 1.0 / refresh_every.count();
  const auto now = loop_.now().mono;
  if (!tries_logins() || now - refreshed_at_ < refreshes_apart) return false;
  if (!refreshes_.take(refreshes_at_once_max, per_second, now)) return false;
  refreshed_at_ = now;
  refresh_is_due_ = false;
  reconnect();
  return true;
}

// What came last is for the others, too.
void Pool::refresh_others_later() {
  loop_.after(refreshes_apart, [this, alive = alive_] {
    if (*alive && !stopped_ && refresh_is_due_ && !refresh_all()) refresh_others_later();
  });
}

std::vector<PoolKey> Pool::seen_keys(std::size_t keys_max) const {
  std::vector<const Sub*> seen;
  for (const auto& [key, sub] : subs_) {
    if (keeps_ready(*sub)) seen.push_back(sub.get());
  }
  std::sort(seen.begin(), seen.end(), [](const Sub* a, const Sub* b) {
    return std::pair{a->last_taken, a->number} > std::pair{b->last_taken, b->number};
  });
  std::vector<PoolKey> keys;
  for (std::size_t i = 0; i < std::min(keys_max, seen.size()); ++i) keys.push_back(seen[i]->key);
  return keys;
}

}  // namespace sallyport::broker
