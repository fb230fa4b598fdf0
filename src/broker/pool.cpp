#include "broker/pool.h"

#include "base/limits.h"

#include <algorithm>
#include <utility>
#include <vector>

namespace sallyport::broker {

Pool::Pool(Settings settings, net::Loop& loop, Connector& connector, credentials::Slot& slot,
           Randomness& randomness)
    : settings_(std::move(settings)),
      loop_(loop),
      connector_(connector),
      slot_(slot),
      randomness_(randomness),
      statements_(settings_.statements ? settings_.statements
                                       : std::make_shared<postgres::StatementRegistry>()) {
  reaper_ = loop_.after(reap_every, [this] { reap(); });
}

Pool::~Pool() {
  *alive_ = false;
  loop_.cancel(reaper_);
  for (auto& [id, standing] : waiters_) loop_.cancel(standing.at->timer);
}

Pool::Sub& Pool::sub_of(const PoolKey& key) {
  const auto found = subs_.find(key);
  if (found != subs_.end()) return *found->second;
  auto fresh = std::make_unique<Sub>();
  fresh->number = next_sub_++;
  fresh->key = key;
  fresh->last_taken = loop_.now().mono;
  fresh->share = &shares_[key.identity];
  ++fresh->share->subs;
  auto& sub = *subs_.emplace(key, std::move(fresh)).first->second;
  if (subs_.size() > std::max(limits::pool_profiles_max, forget_at_)) forget_old_profiles();
  return sub;
}

// The least recently used profiles beyond the limit are not kept warm any more, and go when they are empty.
void Pool::forget_old_profiles() {
  if (subs_.size() <= limits::pool_profiles_max) return;
  std::vector<Sub*> unused;
  for (auto& [key, sub] : subs_) {
    if (sub->unused() && sub->last_taken != loop_.now().mono) unused.push_back(sub.get());
  }
  std::sort(unused.begin(), unused.end(), [](const Sub* a, const Sub* b) {
    return std::pair{a->last_taken, a->number} < std::pair{b->last_taken, b->number};
  });
  for (auto* sub : unused) {
    if (subs_.size() <= limits::pool_profiles_max) break;
    forget(*sub);
  }
  // Those left are in use: looking at all of them again for each new one would be quadratic.
  forget_at_ = subs_.size() + subs_.size() / 4;
}

void Pool::forget(Sub& sub) {
  for (auto at = sub.spares.begin(); at != sub.spares.end();) at = drop_spare(sub, at);
  step_out(sub);
  if (--sub.share->subs == 0) shares_.erase(sub.key.identity);
  const auto key = sub.key;
  subs_.erase(key);
}

void Pool::count(Sub& sub, std::size_t Sub::*which, int by) {
  auto& total = which == &Sub::in_use ? in_use_ : connecting_;
  for (auto* number : {&(sub.*which), &total, &sub.share->held}) {
    *number += static_cast<std::size_t>(by);  // wraps for -1, and back
  }
}

void Pool::count_login(const Attempt& attempt, int by) {
  count(*attempt.sub, &Sub::connecting, by);
  attempt.sub->share->logins_for(attempt.purpose) += static_cast<std::size_t>(by);
}

bool Pool::usable(const Upstream& upstream) const {
  const auto now = loop_.now().mono;
  const auto dies = ending_of(upstream.generation);
  if (replaced_ && waiters_.empty()) return false;
  return upstream.generation >= newest_generation_ && upstream.epoch == epoch_ &&
         now < upstream.close_after && (!dies || now < *dies) && suits(upstream);
}

std::size_t Pool::usable_spares(const Sub& sub) const {
  return static_cast<std::size_t>(std::count_if(
      sub.spares.begin(), sub.spares.end(), [this](const auto& spare) { return usable(spare->upstream()); }));
}

Pool::SpareList::iterator Pool::find_ready(Sub& sub, std::uint64_t newer_than) {
  if (newer_than == 0 && pauses()) return sub.spares.end();
  // The most recently used one first: its caches are warm, and the others can grow old and go.
  for (auto at = sub.spares.end(); at != sub.spares.begin();) {
    --at;
    const auto& upstream = (*at)->upstream();
    if ((*at)->at_rest() && usable(upstream) && upstream.generation > newer_than &&
        upstream.cancels_in_flight == 0) {
      return at;
    }
  }
  return sub.spares.end();
}

UpstreamPtr Pool::take_ready(Sub& sub, std::uint64_t newer_than) {
  auto at = find_ready(sub, newer_than);
  while (at != sub.spares.end()) {
    const auto* found = at->get();
    // In use a moment ago: what has come since then has told its event.
    const bool fresh =
        settings_.pool.mode == PoolMode::transaction && loop_.now().mono - (*at)->ready_since() < fresh_for;
    if (fresh) break;
    // The server may have ended it and the event still be on its way: then it leaves the list.
    (*at)->look();
    at = find_ready(sub, newer_than);
    if (at != sub.spares.end() && at->get() == found) break;
  }
  if (at == sub.spares.end()) return nullptr;
  auto upstream = (*at)->take();
  drop_spare(sub, at);
  count(sub, &Sub::in_use, 1);
  upstream->for_move = newer_than != 0;
  if (upstream->for_move) ++moving_;
  sub.last_taken = loop_.now().mono;
  return upstream;
}

void Pool::warm(const PoolKey& key, std::function<void(Result<void>)> done) {
  auto& sub = sub_of(key);
  sub.keep_warm = true;
  if (settings_.pool.min_ready > 0) connect({&sub, Purpose::ahead, false, std::move(done)});
  pump();
}

void Pool::keep_ready(const PoolKey& key) {
  sub_of(key).keep_warm = true;
  pump();
}

std::vector<PoolKey> Pool::seen_keys(std::size_t keys_max) const {
  std::vector<const Sub*> seen;
  for (const auto& [key, sub] : subs_) {
    if (!sub->is_own()) seen.push_back(sub.get());
  }
  std::sort(seen.begin(), seen.end(), [](const Sub* a, const Sub* b) {
    return std::pair{a->last_taken, a->number} > std::pair{b->last_taken, b->number};
  });
  std::vector<PoolKey> keys;
  for (std::size_t i = 0; i < std::min(keys_max, seen.size()); ++i) keys.push_back(seen[i]->key);
  return keys;
}

void Pool::stop() {
  stopped_ = true;
  const Error error{ErrorCode::cancelled,         Hop::pool, settings_.name,
                    "Sallyport is shutting down", {},        "57P03"};
  for (auto& [key, sub] : subs_) {
    for (auto at = sub->spares.begin(); at != sub->spares.end();) {
      close_politely((*at)->upstream());
      at = drop_spare(*sub, at);
    }
    fail_waiters(*sub, error);
  }
}

PoolStatus Pool::status() const {
  auto now = totals_;
  now.in_use = in_use_;
  now.connecting = connecting_;
  for (const auto& [number, sub] : stocked_) {
    for (const auto& spare : sub->spares) {
      ++(spare->condition() == Spare::Condition::ready ? now.ready : now.resetting);
    }
  }
  now.waiting = waiters_.size();
  now.moving = moving_;
  now.held = held_;
  return now;
}

}  // namespace sallyport::broker
