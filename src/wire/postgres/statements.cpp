#include "wire/postgres/statements.h"

#include <algorithm>
#include <functional>
#include <utility>

namespace sallyport::postgres {

StatementPtr StatementRegistry::intern(Bytes body) {
  const auto hash = std::hash<std::string_view>{}(as_text(body));
  const auto [from, to] = known_.equal_range(hash);
  for (auto at = from; at != to; ++at) {
    auto known = at->second.lock();
    if (known != nullptr && std::equal(body.begin(), body.end(), known->body.begin(), known->body.end()))
      return known;
  }
  auto fresh = std::make_shared<Statement>();
  fresh->number = next_++;
  fresh->name = std::string{statement_prefix} + std::to_string(fresh->number);
  fresh->body.assign(body.begin(), body.end());
  known_.emplace(hash, fresh);
  if (known_.size() >= sweep_at_) sweep();
  return fresh;
}

void StatementRegistry::retire(const Statement& statement) {
  const auto hash = std::hash<std::string_view>{}(as_text(statement.body));
  const auto [from, to] = known_.equal_range(hash);
  for (auto at = from; at != to; ++at) {
    if (at->second.lock().get() == &statement) {
      known_.erase(at);
      return;
    }
  }
}

// Those that nobody has any more. As many new ones as are left pay for the next look at all.
void StatementRegistry::sweep() {
  std::erase_if(known_, [](const auto& one) { return one.second.expired(); });
  sweep_at_ = std::max<std::size_t>(64, 2 * known_.size());
}

bool UpstreamStatements::has(const Statement& statement) {
  const auto found = places_.find(statement.number);
  if (found == places_.end()) return false;
  order_.splice(order_.end(), order_, found->second);
  return true;
}

void UpstreamStatements::add(StatementPtr statement) {
  const auto number = statement->number;
  if (has(*statement)) return;
  places_[number] = order_.insert(order_.end(), std::move(statement));
}

void UpstreamStatements::remove(const Statement& statement) {
  const auto found = places_.find(statement.number);
  if (found == places_.end()) return;
  order_.erase(found->second);
  places_.erase(found);
}

void UpstreamStatements::clear() {
  order_.clear();
  places_.clear();
  unnamed = 0;
}

}  // namespace sallyport::postgres
