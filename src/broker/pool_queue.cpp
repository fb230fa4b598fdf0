// Who waits for a server connection, who is next, and for whom the next login is.
#include "base/limits.h"
#include "broker/pool.h"

#include <algorithm>
#include <numeric>
#include <utility>
#include <vector>

namespace sallyport::broker {

Pool::WaiterId Pool::take(const PoolKey& key, MonotonicTime deadline, TakeCallback callback,
                          std::uint64_t newer_than) {
  if (stopped_) {
    callback(stopping());
    return 0;
  }
  auto& sub = sub_of(key);
  sub.given_up = false;
  // Not past those who wait already: a spare may be at rest while its turn is another one's.
  const bool queue = newer_than == 0 && !sub.newcomers.empty();
  if (auto upstream = queue ? nullptr : take_ready(sub, newer_than)) {
    totals_.wait.add({});
    callback(std::move(upstream));
    pump();
    return 0;
  }
  const auto of_identity = sub.share->waiting;
  if (waiters_.size() >= waiters_max || (of_identity >= waiters_of_identity_max && newer_than == 0)) {
    ++totals_.waits_refused;
    callback(Error{ErrorCode::limit_exceeded, Hop::pool, settings_.name,
                   std::to_string(waiters_.size()) + " clients wait already, " + std::to_string(of_identity) +
                       " of them with this identity",
                   "Raise pool.max, or send fewer clients", "53300"});
    return 0;
  }
  const auto id = enqueue(sub, deadline, std::move(callback), newer_than);
  pump();
  return waiters_.contains(id) ? id : 0;  // it may have been answered
}

Pool::WaiterId Pool::enqueue(Sub& sub, MonotonicTime deadline, TakeCallback callback,
                             std::uint64_t newer_than) {
  const auto id = next_waiter_++;
  const auto now = loop_.now().mono;
  auto timer = loop_.after(deadline - now, [this, id] { on_wait_over(id); });
  auto& queue = newer_than != 0 ? sub.movers : sub.newcomers;
  queue.push_back({id, newer_than, now, std::move(callback), timer});
  waiters_[id] = {&sub, &queue, std::prev(queue.end())};
  if (newer_than != 0) movers_.insert(id);
  ++sub.share->waiting;
  line_up(sub);
  return id;
}

// Out of the queue, its timer stopped; nobody has been told yet.
Pool::Waiter Pool::leave(Standing standing) {
  auto waiter = std::move(*standing.at);
  loop_.cancel(waiter.timer);
  waiters_.erase(waiter.id);
  movers_.erase(waiter.id);
  standing.queue->erase(standing.at);
  --standing.sub->share->waiting;
  return waiter;
}

void Pool::cancel(WaiterId id) {
  const auto found = waiters_.find(id);
  if (found != waiters_.end()) leave(found->second);
}

void Pool::on_wait_over(WaiterId id) {
  const auto found = waiters_.find(id);
  if (found == waiters_.end()) return;
  const auto waiter = leave(found->second);
  const auto waited = loop_.now().mono - waiter.since;
  ++totals_.waits_timed_out;
  waiter.callback(waited_in_vain(waited));
}

Error Pool::waited_in_vain(Duration waited) const {
  const auto now = status();
  const bool lacks_credential = (now.connecting > 0 || awaits_renewal_) && slot_.current() == nullptr;
  const auto target = settings_.name.substr(0, settings_.name.find('/'));
  auto what = (held_ ? "target " + target + " is paused by an operator; " : std::string{}) +
              "no server connection became free within " + format_duration(waited) + ": " +
              std::to_string(now.in_use) + " of " + std::to_string(settings_.pool.max) + " are in use, " +
              std::to_string(now.connecting) + " logins are under way, ";
  if (now.resetting > 0) what += std::to_string(now.resetting) + " are not ready yet, ";
  what += std::to_string(now.waiting) + " other clients wait";
  if (lacks_credential) what += "; there is no credential to log in with";
  return {ErrorCode::timed_out,
          Hop::pool,
          settings_.name,
          std::move(what),
          held_              ? "An operator ends the pause: sallyport resume " + target
          : lacks_credential ? "Look whether the source of the credential answers"
                             : "Raise pool.max, or look for sessions that stay open",
          "53300"};
}

void Pool::fail_waiters(Sub& sub, const Error& error, bool movers_only) {
  std::vector<Waiter> failed;
  for (auto* queue : {&sub.movers, &sub.newcomers}) {
    if (movers_only && queue == &sub.newcomers) break;
    while (!queue->empty()) failed.push_back(leave({&sub, queue, queue->begin()}));
  }
  totals_.waits_failed += failed.size();
  for (auto& waiter : failed) waiter.callback(error);
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
  while (!stopped_ && (!waiters_.empty() || total() > settings_.pool.max) && serve_one()) {}
  while (!stopped_ && (log_in_for_mover() || log_in_for_newcomer() || log_in_ahead())) {}
}

// Those who move first: each gives a connection back, and their time is short. What was logged in for them beyond
// `max` and is left is for nobody else, or the pool would grow with each rotation.
bool Pool::serve_one() {
  if (serve_one_of(true)) return true;
  if (total() > settings_.pool.max && make_room(nullptr)) return true;
  return serve_one_of(false);
}

bool Pool::serve_one_of(bool movers) {
  if (waiters_.empty()) return false;
  for (auto& [number, sub] : stocked_) {
    auto& queue = movers ? sub->movers : sub->newcomers;
    auto next = queue.begin();
    if (movers) {
      next = std::find_if(queue.begin(), queue.end(), [&, &sub = *sub](const Waiter& w) {
        return find_ready(sub, w.newer_than) != sub.spares.end();
      });
    }
    if (next == queue.end() || find_ready(*sub, next->newer_than) == sub->spares.end()) continue;
    if (!movers && yields(*sub)) continue;
    const auto id = next->id;
    auto upstream = take_ready(*sub, next->newer_than);
    if (upstream == nullptr) return true;  // it had ended: look again
    const auto waiter = leave(waiters_.at(id));
    totals_.wait.add(loop_.now().mono - waiter.since);
    waiter.callback(std::move(upstream));
    return true;  // the callback may have changed everything
  }
  return false;
}

// In a full pool: whether a connection that is ready for this key makes room for somebody else instead.
bool Pool::yields(const Sub& sub) {
  if (!full()) return false;
  auto* other = hungriest();
  if (other == nullptr) return false;
  if (other != sub.share) return other->held < sub.share->held;
  const auto* first = first_in_line(*other);
  return first != &sub && !first->newcomers.empty() &&
         first->newcomers.front().since + lag_max < sub.newcomers.front().since;
}

bool Pool::needs_login(const Sub& sub) const {
  // Those being reset will be ready long before a login is.
  return !sub.server_full && sub.waiting() > sub.connecting &&
         sub.waiting() > sub.connecting + usable_spares(sub);
}

void Pool::line_up(Sub& sub) {
  if (!sub.listed && runs_short(sub)) {
    sub.listed = true;
    short_.push_back(&sub);
  }
  if (sub.place || !needs_login(sub)) return;
  sub.share->line.push_back(&sub);
  sub.place = std::prev(sub.share->line.end());
}

void Pool::step_out(Sub& sub) {
  if (sub.place) sub.share->line.erase(*std::exchange(sub.place, std::nullopt));
}

// Whoever has come by what it needed is still in line: here it leaves.
Pool::Sub* Pool::first_in_line(Share& share) {
  while (!share.line.empty()) {
    auto* first = share.line.front();
    if (needs_login(*first)) return first;
    step_out(*first);
  }
  return nullptr;
}

// The identity that holds fewest of those that need a login and may have one now.
Pool::Share* Pool::hungriest() {
  Share* found = nullptr;
  for (auto& [identity, share] : shares_) {
    if (found != nullptr && found->held <= share.held) continue;
    if (!may_log_in(share, Purpose::newcomer)) continue;
    if (first_in_line(share) != nullptr) found = &share;
  }
  return found;
}

// One identity's purposes are counted apart: else its slow clients would keep its own sessions from moving.
bool Pool::may_log_in(Share& share, Purpose purpose) const {
  const bool crowded = connecting_ >= logins_crowded;
  if (purpose == Purpose::ahead) {
    // As many as would be under way for clients, not in addition to those.
    const auto own = std::accumulate(share.logins.begin(), share.logins.end(), std::size_t{0});
    return own < logins_at_once_max && !crowded;
  }
  const auto in_all_max = logins_in_all_max + (purpose == Purpose::move ? logins_beyond_max : 0);
  const auto at_once_max = purpose == Purpose::move ? moves_at_once() : logins_at_once_max;
  // Sessions whose time is short leave room for other identities, but are not slowed down for them.
  const bool hurries = at_once_max > logins_at_once_max;
  return share.logins_for(purpose) < (crowded && !hurries ? 1 : at_once_max) && connecting_ < in_all_max;
}

bool Pool::log_in_for_newcomer() {
  // With the same credential: its user may be about to be dropped, or is being renewed.
  if (held_ || loop_.now().mono < paused_until_ || awaits_renewal_) return false;
  auto* share = hungriest();
  if (share == nullptr) return false;
  auto& sub = *first_in_line(*share);
  if (full() && !make_room(&sub)) return false;
  // Behind the others of its identity; it leaves the line when it is found to need no more.
  share->line.splice(share->line.end(), share->line, *sub.place);
  connect({&sub, Purpose::newcomer, false, {}});
  return true;
}

// Ahead of demand.
bool Pool::log_in_ahead() {
  if (short_.empty() || full() || connecting_ >= logins_crowded) return false;
  const auto now = loop_.now().mono;
  if (held_ || now < std::max(paused_until_, server_full_until_) || awaits_renewal_) return false;
  // Who runs short no more, or may not for a while, is listed again when that changes.
  std::erase_if(short_, [this](Sub* sub) { return !(sub->listed = runs_short(*sub)); });
  const auto next = std::find_if(short_.begin(), short_.end(),
                                 [this](Sub* sub) { return may_log_in(*sub->share, Purpose::ahead); });
  if (next == short_.end()) return false;
  connect({*next, Purpose::ahead, false, {}});
  return true;
}

}  // namespace sallyport::broker
