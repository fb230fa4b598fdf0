#include "broker/pool.h"

#include "base/limits.h"
#include "wire/postgres/session_messages.h"

#include <algorithm>

namespace sallyport::broker {

namespace {

constexpr auto reap_every = std::chrono::seconds{5};
/// After a failed login nothing is logged in ahead of demand for so long.
constexpr auto hold_back = std::chrono::seconds{2};

bool refused_credential(const Error& error) { return error.sqlstate == "28P01" || error.sqlstate == "28000"; }

}  // namespace

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

UpstreamPtr Pool::take_ready(Sub& sub, std::uint64_t newer_than) {
  // The most recently used one first: its caches are warm, and the others can grow old and go.
  for (auto at = sub.spares.end(); at != sub.spares.begin();) {
    --at;
    auto& spare = **at;
    if (!spare.at_rest() || !usable(spare.upstream())) continue;
    if (spare.upstream().generation <= newer_than || spare.upstream().cancels_in_flight != 0) continue;
    auto upstream = spare.take();
    bury(std::move(*at));
    sub.spares.erase(at);
    ++sub.in_use;
    sub.last_taken = loop_.now().mono;
    return upstream;
  }
  return nullptr;
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
  return sum;
}

std::size_t Pool::waiting_for(const Sub& sub) const {
  return static_cast<std::size_t>(
      std::count_if(waiters_.begin(), waiters_.end(), [&](const Waiter& w) { return w.sub == &sub; }));
}

bool Pool::serve_waiters(Sub& sub) {
  bool served = false;
  for (auto at = waiters_.begin(); at != waiters_.end();) {
    if (at->sub != &sub) {
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
      if (total() >= settings_.pool.max && (waiting_for(*sub) == 0 || !make_room(*sub))) break;
      connect({sub.get(), false, {}});
      ++coming;
    }
  }
}

// Closes the connection that has been ready for longest under another key, or is of no more use.
bool Pool::make_room(const Sub& for_sub) {
  Sub* from = nullptr;
  std::list<std::unique_ptr<Spare>>::iterator victim;
  for (auto& [key, sub] : subs_) {
    for (auto at = sub->spares.begin(); at != sub->spares.end(); ++at) {
      if ((*at)->condition() != Spare::Condition::ready) continue;
      if (sub.get() == &for_sub && usable((*at)->upstream())) continue;
      if (from == nullptr || (*at)->ready_since() < (*victim)->ready_since()) {
        from = sub.get();
        victim = at;
      }
    }
  }
  if (from == nullptr) return false;
  close_politely((*victim)->upstream());
  bury(std::move(*victim));
  from->spares.erase(victim);
  return true;
}

void Pool::connect(Attempt attempt) {
  ++attempt.sub->connecting;
  ++logins_under_way_;
  const auto deadline = loop_.now().mono + limits::upstream_login_deadline;
  slot_.get(deadline, [this, alive = alive_, attempt](Result<credentials::GenerationPtr> generation) {
    if (*alive) on_credential(attempt, std::move(generation));
  });
}

void Pool::on_credential(Attempt attempt, Result<credentials::GenerationPtr> generation) {
  if (!generation) return on_attempt_failed(attempt, generation.error());
  ConnectRequest request;
  request.reach = reach_for(**generation);
  if (request.reach->endpoint.host.empty()) {
    return on_attempt_failed(attempt, Error{ErrorCode::bad_config,
                                            Hop::config,
                                            settings_.name,
                                            "has no host",
                                            "Add host=… to the target or the reference",
                                            {}});
  }
  request.user =
      (*generation)->credential->user.empty() ? settings_.role.user : (*generation)->credential->user;
  request.database = attempt.sub->key.database;
  request.parameters = attempt.sub->key.profile;
  if (!settings_.role.run_as.empty()) request.parameters.emplace_back("role", settings_.role.run_as);
  request.methods = settings_.methods;
  request.generation = *generation;
  const auto reach = request.reach;
  auto hold = std::make_shared<credentials::Hold>(slot_.hold(*generation));
  connector_.connect(std::move(request), [this, alive = alive_, attempt, generation = *generation, reach,
                                          hold](Result<Connected> connected) {
    if (*alive) on_connected(attempt, generation, reach, std::move(*hold), std::move(connected));
  });
}

// The secret supplies the endpoint only where the target names none (threats.md 3).
std::shared_ptr<const Reach> Pool::reach_for(const credentials::Generation& generation) const {
  if (!settings_.reach->endpoint.host.empty()) return settings_.reach;
  auto supplied = std::make_shared<Reach>(*settings_.reach);
  supplied->endpoint.host = generation.endpoint.host;
  if (generation.endpoint.port != 0) supplied->endpoint.port = generation.endpoint.port;
  return supplied;
}

void Pool::on_connected(Attempt attempt, const credentials::GenerationPtr& generation,
                        const std::shared_ptr<const Reach>& reach, credentials::Hold hold,
                        Result<Connected> connected) {
  if (!connected) {
    const auto error = connected.error();
    slot_.report_login_failed(generation->number, error.sqlstate);
    if (refused_credential(error) && !attempt.retried) {
      // The credential may just have been rotated: the slot fetches once for everybody.
      --attempt.sub->connecting;
      --logins_under_way_;
      attempt.retried = true;
      return connect(attempt);
    }
    return on_attempt_failed(attempt, error);
  }
  slot_.report_login_succeeded(generation->number);
  --attempt.sub->connecting;
  --logins_under_way_;
  ++totals_.logins;
  auto upstream = std::make_unique<Upstream>();
  upstream->stream = std::move(connected->stream);
  upstream->key = attempt.sub->key;
  upstream->hold = std::move(hold);
  upstream->generation = generation->number;
  upstream->reach = reach;
  upstream->address = connected->address;
  upstream->peer_address = upstream->stream->peer_address();
  upstream->local_address = upstream->stream->local_address();
  for (auto& [name, value] : connected->greeting.parameters) upstream->parameters[name] = value;
  upstream->pid = connected->greeting.pid;
  upstream->cancel_key = std::move(connected->greeting.cancel_key);
  upstream->tls = std::move(connected->greeting.tls);
  upstream->user = generation->credential->user.empty() ? settings_.role.user : generation->credential->user;
  if (generation->credential->lease) upstream->lease_accessor = generation->credential->lease->accessor;
  std::uint8_t jitter = 0;
  randomness_.fill({&jitter, 1});
  upstream->close_after = loop_.now().mono + std::chrono::duration_cast<MonotonicTime::duration>(
                                                 settings_.pool.lifetime_max * (200 + jitter / 4) / 256);
  if (stopped_) {
    close_politely(*upstream);
  } else {
    add_spare(*attempt.sub, std::move(upstream), true);
  }
  if (attempt.done) attempt.done({});
}

void Pool::on_attempt_failed(const Attempt& attempt, const Error& error) {
  auto& sub = *attempt.sub;
  --sub.connecting;
  --logins_under_way_;
  ++totals_.login_failures;
  sub.held_back = true;
  loop_.after(hold_back, [this, alive = alive_, key = sub.key] {
    if (!*alive) return;
    const auto found = subs_.find(key);
    if (found == subs_.end()) return;
    found->second->held_back = false;
    found->second->server_full = false;
    pump();
  });
  if (attempt.done) attempt.done(error);
  // The server is full, but connections of ours will come free: the queue's own deadline decides.
  sub.server_full = error.sqlstate == "53300" && sub.in_use + sub.spares.size() > 0;
  if (!sub.server_full) fail_waiters(sub, error);
  pump();  // those of other keys
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

void Pool::add_spare(Sub& sub, UpstreamPtr upstream, bool fresh) {
  auto spare = std::make_unique<Spare>(
      std::move(upstream), loop_,
      Spare::Events{[this](Spare&) { pump(); }, [this](Spare& broken) { remove_spare(broken); }});
  auto& added = *spare;
  sub.spares.push_back(std::move(spare));
  if (fresh) {
    added.be_ready();
  } else {
    added.begin_reset(!settings_.role.run_as.empty());
  }
}

void Pool::remove_spare(Spare& spare) {
  if (spare.condition() == Spare::Condition::broken) ++totals_.resets_failed;
  const auto found = subs_.find(spare.upstream().key);
  if (found == subs_.end()) return;
  auto& spares = found->second->spares;
  const auto at =
      std::find_if(spares.begin(), spares.end(), [&](const auto& one) { return one.get() == &spare; });
  if (at == spares.end()) return;
  bury(std::move(*at));
  spares.erase(at);
  pump();
}

void Pool::give_back(UpstreamPtr upstream) {
  const auto found = subs_.find(upstream->key);
  if (found == subs_.end()) return;
  auto& sub = *found->second;
  if (stopped_ || !usable(*upstream)) return discard(std::move(upstream));
  --sub.in_use;
  add_spare(sub, std::move(upstream), false);
}

void Pool::discard(UpstreamPtr upstream, bool whole) {
  const auto found = subs_.find(upstream->key);
  if (whole) close_politely(*upstream);
  upstream->stream->set_events(nullptr);
  // It may be the stream whose event we are in.
  loop_.at_turn_end([kept = std::shared_ptr<Upstream>(std::move(upstream))] {});
  if (found == subs_.end()) return;
  --found->second->in_use;
  pump();
}

void Pool::on_cancel_done(std::uint64_t generation, std::int32_t pid) {
  for (auto& [key, sub] : subs_) {
    for (auto& spare : sub->spares) {
      auto& upstream = spare->upstream();
      if (upstream.pid != pid || upstream.generation != generation || upstream.cancels_in_flight == 0)
        continue;
      if (--upstream.cancels_in_flight == 0) pump();
      return;
    }
  }
}

void Pool::on_new_generation(std::uint64_t number) {
  newest_generation_ = std::max(newest_generation_, number);
  for (auto& [key, sub] : subs_) {
    for (auto at = sub->spares.begin(); at != sub->spares.end();) {
      if ((*at)->condition() != Spare::Condition::ready || usable((*at)->upstream())) {
        ++at;
        continue;
      }
      close_politely((*at)->upstream());
      bury(std::move(*at));
      at = sub->spares.erase(at);
    }
  }
  pump();
}

void Pool::note_ending(std::uint64_t generation, MonotonicTime deadline) {
  endings_[generation] = deadline;
  while (endings_.size() > endings_max) endings_.erase(endings_.begin());
}

std::optional<MonotonicTime> Pool::ending_of(std::uint64_t generation) const {
  const auto found = endings_.find(generation);
  return found == endings_.end() ? std::nullopt : std::optional{found->second};
}

void Pool::reap() {
  const auto now = loop_.now().mono;
  for (auto& [key, sub] : subs_) {
    auto ready = sub->spares.size();
    for (auto at = sub->spares.begin(); at != sub->spares.end();) {
      auto& spare = **at;
      const bool idle = spare.condition() == Spare::Condition::ready && ready > settings_.pool.min_ready &&
                        now - spare.ready_since() > settings_.pool.idle_max;
      const bool over = spare.condition() == Spare::Condition::ready && !usable(spare.upstream());
      if (!idle && !over) {
        ++at;
        continue;
      }
      close_politely(spare.upstream());
      bury(std::move(*at));
      at = sub->spares.erase(at);
      --ready;
    }
  }
  pump();
  reaper_ = loop_.after(reap_every, [this] { reap(); });
}

void Pool::bury(std::unique_ptr<Spare> spare) {
  loop_.at_turn_end([kept = std::shared_ptr<Spare>(std::move(spare))] {});
}

void Pool::close_politely(Upstream& upstream) {
  WipedBytes goodbye;
  postgres::encode(goodbye, postgres::Terminate{});
  (void)upstream.stream->write(Bytes{goodbye});
}

void Pool::close_when_idle() {
  settings_.pool.min_ready = 0;
  settings_.pool.lifetime_max = Duration::zero();
  for (auto& [key, sub] : subs_) {
    for (auto at = sub->spares.begin(); at != sub->spares.end();) {
      if ((*at)->condition() != Spare::Condition::ready || !waiters_.empty()) {
        (*at)->upstream().close_after = loop_.now().mono;
        ++at;
        continue;
      }
      close_politely((*at)->upstream());
      bury(std::move(*at));
      at = sub->spares.erase(at);
    }
  }
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
  return now;
}

}  // namespace sallyport::broker
