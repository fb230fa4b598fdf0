// Transaction pooling: connections that sessions borrow for one transaction. This is the hot path: nothing is reset,
// nothing is asked, and while connections are free nobody is looked for who may want them.
#include "broker/pool.h"

#include <utility>

namespace sallyport::broker {

UpstreamPtr Pool::try_take(const PoolKey& key) {
  if (stopped_) return nullptr;
  const auto found = subs_.find(key);
  if (found == subs_.end() || !found->second->newcomers.empty()) return nullptr;
  auto& sub = *found->second;
  sub.given_up = false;
  auto upstream = take_ready(sub, 0);
  if (upstream != nullptr) totals_.wait.add({});
  return upstream;
}

void Pool::put_back(UpstreamPtr upstream) {
  const auto found = subs_.find(upstream->key);
  if (found == subs_.end()) return;
  auto& sub = *found->second;
  if (stopped_ || sub.given_up || !usable(sub, *upstream)) return discard(std::move(upstream));
  on_move_done(*upstream);
  count(sub, &Sub::in_use, -1);
  add_spare(sub, std::move(upstream), Arrival::between_transactions);
}

std::shared_ptr<const Greeting> Pool::greeting_of(const PoolKey& key) const {
  const auto found = subs_.find(key);
  if (stopped_ || found == subs_.end()) return nullptr;
  const auto& sub = *found->second;
  if (sub.greeting == nullptr || sub.greeting->generation < newest_generation_) return nullptr;
  return sub.in_use + sub.spares.size() > 0 ? sub.greeting : nullptr;
}

}  // namespace sallyport::broker
