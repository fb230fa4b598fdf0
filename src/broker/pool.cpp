#include "broker/pool.h"

#include "base/limits.h"

#include <algorithm>

namespace sallyport::broker {

Pool::Pool(Settings settings, net::Loop& loop, Connector& connector, credentials::Slot& slot,
           Randomness& randomness)
    : settings_(std::move(settings)),
      loop_(loop),
      connector_(connector),
      slot_(slot),
      randomness_(randomness) {
  reaper_ = loop_.after(reap_every, [this] { reap(); });
}

Pool::~Pool() {
  *alive_ = false;
  loop_.cancel(reaper_);
  for (auto& waiter : waiters_) loop_.cancel(waiter.timer);
}

Pool::Sub& Pool::sub_of(const PoolKey& key) {
  const auto found = subs_.find(key);
  if (found != subs_.end()) return *found->second;
  auto fresh = std::make_unique<Sub>();
  fresh->key = key;
  fresh->last_taken = loop_.now().mono;
  auto& sub = *subs_.emplace(key, std::move(fresh)).first->second;
  forget_old_profiles();
  return sub;
}

// The least recently used profiles beyond the limit are not kept warm any more, and go when they are empty.
void Pool::forget_old_profiles() {
  while (subs_.size() > limits::pool_profiles_max) {
    auto oldest = subs_.end();
    for (auto at = subs_.begin(); at != subs_.end(); ++at) {
      const auto& sub = *at->second;
      if (sub.in_use != 0 || sub.connecting != 0 || waiting_for(sub) != 0) continue;
      if (oldest == subs_.end() || sub.last_taken < oldest->second->last_taken) oldest = at;
    }
    if (oldest == subs_.end() || oldest->second->last_taken == loop_.now().mono) return;
    for (auto& spare : oldest->second->spares) bury(std::move(spare));
    subs_.erase(oldest);
  }
}

bool Pool::usable(const Upstream& upstream) const {
  const auto now = loop_.now().mono;
  const auto dies = ending_of(upstream.generation);
  return upstream.generation >= newest_generation_ && now < upstream.close_after && (!dies || now < *dies);
}

Pool::SpareList::iterator Pool::find_ready(Sub& sub, std::uint64_t newer_than) {
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
    // The server may have ended it and the event still be on its way: then it leaves the list.
    (*at)->look();
    at = find_ready(sub, newer_than);
    if (at != sub.spares.end() && at->get() == found) break;
  }
  if (at == sub.spares.end()) return nullptr;
  auto upstream = (*at)->take();
  bury(std::move(*at));
  sub.spares.erase(at);
  ++sub.in_use;
  upstream->for_move = newer_than != 0;
  if (upstream->for_move) ++moving_;
  sub.last_taken = loop_.now().mono;
  return upstream;
}

Pool::WaiterId Pool::take(const PoolKey& key, MonotonicTime deadline, TakeCallback callback,
                          std::uint64_t newer_than) {
  if (stopped_) {
    callback(
        Error{ErrorCode::cancelled, Hop::pool, settings_.name, "Sallyport is shutting down", {}, "57P03"});
    return 0;
  }
  auto& sub = sub_of(key);
  sub.keep_warm = true;
  if (auto upstream = take_ready(sub, newer_than)) {
    callback(std::move(upstream));
    pump();
    return 0;
  }
  if (waiters_.size() >= waiters_max) {
    callback(Error{ErrorCode::limit_exceeded, Hop::pool, settings_.name,
                   std::to_string(waiters_.size()) + " clients wait already",
                   "Raise pool.max, or send fewer clients", "53300"});
    return 0;
  }
  const auto id = next_waiter_++;
  const auto now = loop_.now().mono;
  auto timer = loop_.after(deadline - now, [this, id] { on_wait_over(id); });
  waiters_.push_back({id, &sub, newer_than, now, std::move(callback), timer});
  pump();
  return id;
}

void Pool::cancel(WaiterId id) {
  const auto at = std::find_if(waiters_.begin(), waiters_.end(), [&](const Waiter& w) { return w.id == id; });
  if (at == waiters_.end()) return;
  loop_.cancel(at->timer);
  waiters_.erase(at);
}

void Pool::on_wait_over(WaiterId id) {
  const auto at = std::find_if(waiters_.begin(), waiters_.end(), [&](const Waiter& w) { return w.id == id; });
  if (at == waiters_.end()) return;
  const auto now = status();
  auto callback = std::move(at->callback);
  const auto waited = loop_.now().mono - at->since;
  waiters_.erase(at);
  callback(Error{ErrorCode::timed_out, Hop::pool, settings_.name,
                 "no server connection became free within " + format_duration(waited) + ": " +
                     std::to_string(now.in_use) + " of " + std::to_string(settings_.pool.max) +
                     " are in use, " + std::to_string(now.connecting) + " logins are under way, " +
                     std::to_string(now.waiting - 1) + " other clients wait",
                 "Raise pool.max, or look for sessions that stay open", "53300"});
}

std::size_t Pool::total() const {
  std::size_t sum = 0;
  for (const auto& [key, sub] : subs_) sum += sub->in_use + sub->connecting + sub->spares.size();
  return sum - moving_;
}

std::size_t Pool::waiting_to_move(const Sub& sub) const {
  return static_cast<std::size_t>(std::count_if(
      waiters_.begin(), waiters_.end(), [&](const Waiter& w) { return w.sub == &sub && w.newer_than != 0; }));
}

std::size_t Pool::waiting_for(const Sub& sub) const {
  return static_cast<std::size_t>(
      std::count_if(waiters_.begin(), waiters_.end(), [&](const Waiter& w) { return w.sub == &sub; }));
}

bool Pool::serve_waiters(Sub& sub) {
  // Those who move first: each gives a connection back, and their time is short.
  const bool moved = serve_waiters(sub, true);
  return serve_waiters(sub, false) || moved;
}

bool Pool::serve_waiters(Sub& sub, bool movers) {
  bool served = false;
  for (auto at = waiters_.begin(); at != waiters_.end();) {
    if (at->sub != &sub || (at->newer_than != 0) != movers) {
      ++at;
      continue;
    }
    auto upstream = take_ready(sub, at->newer_than);
    if (upstream == nullptr) {
      ++at;
      continue;
    }
    auto callback = std::move(at->callback);
    loop_.cancel(at->timer);
    waiters_.erase(at);
    served = true;
    callback(std::move(upstream));
    at = waiters_.begin();  // the callback may have changed the queue
  }
  return served;
}

// One place decides who gets what and whether to log in; everything that changes a count calls it.
void Pool::pump() {
  pump_again_ = true;  // also for a caller further up the stack, which has passed some keys already
  if (pumping_) return;
  pumping_ = true;
  while (std::exchange(pump_again_, false) && !stopped_) pump_once();
  pumping_ = false;
}

void Pool::pump_once() {
  for (auto& [key, sub] : subs_) {
    if (!waiters_.empty()) serve_waiters(*sub);
  }
  for (auto& [key, sub] : subs_) {
    const auto usable_spares = static_cast<std::size_t>(
        std::count_if(sub->spares.begin(), sub->spares.end(),
                      [this](const auto& spare) { return usable(spare->upstream()); }));
    const auto ahead = sub->keep_warm && !sub->held_back ? settings_.pool.min_ready : 0;
    // Those being reset will be ready long before a login is.
    const auto wanted = sub->server_full ? 0 : std::max(waiting_for(*sub), ahead);
    auto coming = usable_spares + sub->connecting;
    while (coming < wanted && logins_under_way_ < logins_at_once_max) {
      if (total() >= settings_.pool.max && (waiting_for(*sub) == 0 || !make_room(*sub))) {
        // Whoever moves gives a connection back for it; those who do are served first.
        if (coming >= waiting_to_move(*sub) || total() >= settings_.pool.max + logins_at_once_max) break;
      }
      connect({sub.get(), false, {}});
      ++coming;
    }
  }
}

void Pool::fail_waiters(Sub& sub, const Error& error) {
  std::list<Waiter> failed;
  for (auto at = waiters_.begin(); at != waiters_.end();) {
    const auto next = std::next(at);
    if (at->sub == &sub) failed.splice(failed.end(), waiters_, at);
    at = next;
  }
  for (auto& waiter : failed) {
    loop_.cancel(waiter.timer);
    waiter.callback(error);
  }
}

void Pool::warm(const PoolKey& key, std::function<void(Result<void>)> done) {
  auto& sub = sub_of(key);
  sub.keep_warm = true;
  if (settings_.pool.min_ready > 0) connect({&sub, false, std::move(done)});
  pump();
}

void Pool::stop() {
  stopped_ = true;
  for (auto& [key, sub] : subs_) {
    for (auto& spare : sub->spares) {
      close_politely(spare->upstream());
      bury(std::move(spare));
    }
    sub->spares.clear();
    fail_waiters(
        *sub,
        Error{ErrorCode::cancelled, Hop::pool, settings_.name, "Sallyport is shutting down", {}, "57P03"});
  }
}

PoolStatus Pool::status() const {
  auto now = totals_;
  for (const auto& [key, sub] : subs_) {
    now.in_use += sub->in_use;
    now.connecting += sub->connecting;
    for (const auto& spare : sub->spares) {
      ++(spare->condition() == Spare::Condition::ready ? now.ready : now.resetting);
    }
  }
  now.waiting = waiters_.size();
  now.moving = moving_;
  return now;
}

}  // namespace sallyport::broker
