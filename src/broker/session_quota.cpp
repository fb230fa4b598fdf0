#include "broker/session_quota.h"

#include <algorithm>
#include <chrono>
#include <utility>

namespace sallyport::broker {

namespace {

Error reached(const Route& route, std::string what, const char* key) {
  return {ErrorCode::limit_exceeded,
          Hop::policy,
          route.name,
          std::move(what),
          std::string{"Connect again later, close sessions that are not needed, or raise "} + key,
          "53300"};
}

std::string sessions(std::size_t count) {
  return std::to_string(count) + (count == 1 ? " session" : " sessions");
}

}  // namespace

SessionQuota::Place::Place(Place&& other) noexcept
    : quota_(std::exchange(other.quota_, nullptr)),
      route_(std::move(other.route_)),
      identity_(std::move(other.identity_)) {}

SessionQuota::Place& SessionQuota::Place::operator=(Place&& other) noexcept {
  if (this == &other) return *this;
  give_up();
  quota_ = std::exchange(other.quota_, nullptr);
  route_ = std::move(other.route_);
  identity_ = std::move(other.identity_);
  return *this;
}

void SessionQuota::Place::give_up() {
  if (auto* quota = std::exchange(quota_, nullptr)) quota->give_up(route_, identity_);
}

Result<SessionQuota::Place> SessionQuota::take(const Route& route, const policy::Decision& decision,
                                               MonotonicTime now) {
  const auto& rule = route.allow.at(decision.rule);
  auto& counts = routes_[route.name];
  const auto known = counts.by_identity.find(decision.identity);
  const auto own = known == counts.by_identity.end() ? 0 : known->second;
  if (route.connections_max != 0 && counts.sessions >= route.connections_max) {
    return reached(route, sessions(counts.sessions) + " on this route, as many as it may have",
                   "routes[].connections_max");
  }
  if (rule.connections_max != 0 && own >= rule.connections_max) {
    return reached(route, sessions(own) + " of this identity, as many as it may have",
                   "routes[].allow[].connections_max");
  }
  if (route.connections_per_second_max != 0 && !take_token(counts, route.connections_per_second_max, now)) {
    return reached(route,
                   "more than " + std::to_string(route.connections_per_second_max) +
                       " new sessions in a second on this route",
                   "routes[].connections_per_second_max");
  }
  ++counts.sessions;
  ++counts.by_identity[decision.identity];
  Place place;
  place.quota_ = this;
  place.route_ = route.name;
  place.identity_ = decision.identity;
  return place;
}

bool SessionQuota::take_token(Counts& counts, std::size_t per_second, MonotonicTime now) {
  const auto most = static_cast<double>(per_second);
  if (counts.tokens < 0) counts.tokens = most;
  const auto passed = std::chrono::duration<double>(now - counts.filled_at).count();
  counts.tokens = std::min(most, counts.tokens + std::max(passed, 0.0) * most);
  counts.filled_at = now;
  if (counts.tokens < 1) return false;
  counts.tokens -= 1;
  return true;
}

void SessionQuota::give_up(const std::string& route, const std::string& identity) {
  auto& counts = routes_.at(route);
  --counts.sessions;
  const auto own = counts.by_identity.find(identity);
  if (--own->second == 0) counts.by_identity.erase(own);
}

}  // namespace sallyport::broker
