// A pool whose target has several servers: which of its connections go to one that is not wanted any more.
//
// An established connection never learns that the primary has moved, but by its end. What tells is a login that finds
// its server to be a standby (HostConnector), a parameter that the server reports, or a write that it refuses.
#include "broker/pool.h"

#include <algorithm>
#include <utility>

namespace sallyport::broker {

bool Pool::suits(const Upstream& upstream) const {
  for (const auto& [address, since] : left_) {
    if (upstream.logged_in_at <= since && upstream.address == address) return false;
  }
  const auto wanted = settings_.reach->wanted;
  if (wanted == SessionAttributes::any || wanted == SessionAttributes::prefer_standby) return true;
  const auto standby = upstream.parameters.value_of("in_hot_standby");
  if (wants_writes(wanted)) return standby != "on" && !upstream.write_refused;
  return !(upstream.was_standby && standby == "off");  // it was promoted
}

void Pool::leave(const net::Address& address) {
  const auto now = loop_.now().mono;
  std::erase_if(left_, [&](const auto& left) { return left.first == address; });
  if (left_.size() == left_max) left_.erase(left_.begin());
  left_.emplace_back(address, now);
  // In a turn of its own: we may be told of it while a session takes or returns a connection.
  loop_.post([this, alive = alive_] {
    if (*alive) on_new_generation(newest_generation_);
  });
}

// A server that refuses a write may be a standby by now, or the session has begun a transaction that only reads. One
// login finds out; no more than one a second, as the client decides how often it happens.
void Pool::look_back(const Upstream& upstream) {
  if (!upstream.write_refused || !wants_writes(settings_.reach->wanted)) return;
  const auto now = loop_.now().mono;
  const auto found = subs_.find(upstream.key);
  if (stopped_ || held_ || awaits_renewal_ || now < next_look_ || found == subs_.end()) return;
  next_look_ = now + look_every;
  loop_.post([this, alive = alive_, key = upstream.key] {
    if (!*alive || stopped_ || full()) return;
    const auto sub = subs_.find(key);
    if (sub == subs_.end()) return;
    if (may_log_in(*sub->second->share, Purpose::ahead))
      connect({sub->second.get(), Purpose::ahead, false, {}});
  });
}

// In transaction pooling a client has a server only while it works: whoever is idle when the primary dies need not
// hear of it, if another one is promoted in time. In session pooling clients are told at once, as by a direct
// connection.
bool Pool::awaits_primary(const Error& error) {
  const bool may_pass = (error.code == ErrorCode::retry_later || error.code == ErrorCode::timed_out) &&
                        (error.sqlstate.empty() || error.sqlstate.starts_with("57"));
  if (settings_.pool.mode != PoolMode::transaction || !wants_writes(settings_.reach->wanted) || !may_pass)
    return false;
  const auto now = loop_.now().mono;
  // Nobody may have asked for long: what was seen then says nothing of now.
  if (!no_primary_since_ || now - no_primary_seen_ > primary_forgotten_after) no_primary_since_ = now;
  no_primary_seen_ = now;
  if (now - *no_primary_since_ >= primary_wait_max) return false;
  // No login meanwhile, and nothing that was ready before is handed out.
  paused_until_ = now + primary_look_every;
  loop_.after(primary_look_every, [this, alive = alive_] {
    if (*alive) pump();
  });
  return true;
}

}  // namespace sallyport::broker
