#include "broker/pool.h"

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

Error Pool::stopping() const {
  return {ErrorCode::cancelled, Hop::pool, settings_.name, "Sallyport is shutting down", {}, "57P03"};
}

Pool::~Pool() {
  *alive_ = false;
  loop_.cancel(reaper_);
  for (auto& [id, standing] : waiters_) loop_.cancel(standing.at->timer);
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

bool Pool::usable(const Sub& sub, const Upstream& upstream) const {
  const auto now = loop_.now().mono;
  const auto dies = ending_of(upstream.generation);
  if (replaced_ && waiters_.empty()) return false;
  return upstream.generation >= newest_generation_ && upstream.epoch == epoch_of(sub) &&
         now < upstream.close_after && (!dies || now < dies->deadline) && !upstream.cancel_at_large &&
         suits(upstream);
}

std::size_t Pool::usable_spares(const Sub& sub) const {
  return static_cast<std::size_t>(std::count_if(sub.spares.begin(), sub.spares.end(), [&](const auto& spare) {
    return usable(sub, spare->upstream());
  }));
}

Pool::SpareList::iterator Pool::find_ready(Sub& sub, std::uint64_t newer_than) {
  if (newer_than == 0 && pauses()) return sub.spares.end();
  // The most recently used one first: its caches are warm, and the others can grow old and go.
  for (auto at = sub.spares.end(); at != sub.spares.begin();) {
    --at;
    const auto& upstream = (*at)->upstream();
    if ((*at)->at_rest() && usable(sub, upstream) && upstream.generation > newer_than &&
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
  sub.warm = !sub.is_own();
  return upstream;
}

void Pool::stop() {
  stopped_ = true;
  const auto error = stopping();
  for (auto& [key, sub] : subs_) {
    close_spares(*sub);
    fail_waiters(*sub, error);
  }
  trial_.let_all_go();
}

// It was stopped before this login had begun.
void Pool::abandon(const Attempt& attempt) {
  count_login(attempt, -1);
  if (attempt.done) attempt.done(stopping());
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
