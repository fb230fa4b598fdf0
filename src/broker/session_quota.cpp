#include "broker/session_quota.h"

#include <utility>

namespace sallyport::broker {

namespace {

/// The key that an error tells to raise, and what it is counted as.
struct Limit {
  std::string_view key, word;
};
constexpr Limit of_route{"routes[].connections_max", SessionQuota::route_limit};
constexpr Limit of_identity{"routes[].allow[].connections_max", SessionQuota::identity_limit};
constexpr Limit of_rate{"routes[].connections_per_second_max", SessionQuota::rate_limit};

Error reached(const Route& route, std::string what, const Limit& limit) {
  return {ErrorCode::limit_exceeded,
          Hop::policy,
          route.name,
          std::move(what),
          std::string{"Connect again later, close sessions that are not needed, or raise "}.append(limit.key),
          "53300"};
}

std::string sessions(std::size_t count) {
  return std::to_string(count) + (count == 1 ? " session" : " sessions");
}

}  // namespace

std::string_view SessionQuota::limit_of(const Error& error) {
  if (error.code != ErrorCode::limit_exceeded || error.hop != Hop::policy) return {};
  for (const auto& limit : {of_route, of_identity, of_rate}) {
    if (error.hint.ends_with(limit.key)) return limit.word;
  }
  return {};
}

SessionQuota::Place::Place(Place&& other) noexcept
    : counts_(std::exchange(other.counts_, nullptr)), own_(other.own_) {}

SessionQuota::Place& SessionQuota::Place::operator=(Place&& other) noexcept {
  if (this == &other) return *this;
  give_up();
  counts_ = std::exchange(other.counts_, nullptr);
  own_ = other.own_;
  return *this;
}

void SessionQuota::Place::give_up() {
  auto* counts = std::exchange(counts_, nullptr);
  if (counts == nullptr) return;
  --counts->sessions;
  if (--own_->second == 0) counts->by_identity.erase(own_);
}

Result<SessionQuota::Place> SessionQuota::take(const Route& route, const policy::Decision& decision,
                                               MonotonicTime now) {
  const auto& rule = route.allow.at(decision.rule);
  auto& counts = routes_[route.name];
  const auto known = counts.by_identity.find(decision.identity);
  const auto own = known == counts.by_identity.end() ? 0 : known->second;
  if (route.connections_max != 0 && counts.sessions >= route.connections_max) {
    return reached(route, sessions(counts.sessions) + " on this route, as many as it may have", of_route);
  }
  if (rule.connections_max != 0 && own >= rule.connections_max) {
    return reached(route, sessions(own) + " of this identity, as many as it may have", of_identity);
  }
  const auto per_second = static_cast<double>(route.connections_per_second_max);
  if (per_second != 0 && !counts.begin.take(per_second, per_second, now)) {
    return reached(route,
                   "more than " + std::to_string(route.connections_per_second_max) +
                       " new sessions in a second on this route",
                   of_rate);
  }
  ++counts.sessions;
  Place place;
  place.counts_ = &counts;
  place.own_ = counts.by_identity.try_emplace(decision.identity).first;
  ++place.own_->second;
  return place;
}

}  // namespace sallyport::broker
