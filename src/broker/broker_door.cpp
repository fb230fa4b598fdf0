// Who comes to the broker's door: turned away unheard (threat 17), waiting on the doorstep, or given a place.
#include "broker/broker.h"

#include <chrono>
#include <utility>

namespace sallyport::broker {

namespace {

constexpr auto turned_away_told_every = std::chrono::seconds{1};

}  // namespace

Result<SessionQuota::Place> Broker::take_place(const RouteRuntime& route, const policy::Decision& decision) {
  return quota_.take(route.route, decision, services_.loop.now().mono);
}

bool Broker::lets_in(const Origin& origin, const std::string& route) {
  if (turnstile_.lets_in(origin, services_.loop.now().mono)) return true;
  ++counters_.turned_away;
  ++turned_away_[{origin, route}];
  if (!turned_away_timer_) {
    turned_away_timer_ = services_.loop.after(turned_away_told_every, [this] {
      turned_away_timer_ = {};
      record_turned_away();
    });
  }
  return false;
}

void Broker::record_turned_away() {
  for (const auto& [whose, count] : turned_away_) {
    trail::Event event;
    event.kind = trail::EventKind::session_denied;
    event.at = services_.loop.now().wall;
    event.route = whose.second;
    event.result = "denied";
    event.reason =
        "turned away at the door: too many refused connections of this account or network in a second";
    event.count = count;
    if (whose.first.has_uid()) event.verified["uid"] = std::to_string(whose.first.uid);
    if (const auto network = whose.first.network.to_string(); !network.empty())
      event.verified["address"] = network;
    services_.trail.deny(std::move(event), "door turned_away");
  }
  turned_away_.clear();
}

void Broker::accept(std::unique_ptr<net::Stream> client, std::shared_ptr<const RouteRuntime> route,
                    Origin origin) {
  if (sessions_.size() >= sessions_max_) {
    if (counters_.turned_away++ % 1000 == 0) {
      services_.logger.write(LogLevel::warning, "too many sessions; connections are closed",
                             {{"sessions", static_cast<std::int64_t>(sessions_.size())}});
    }
    return;
  }
  ++counters_.accepted;
  auto session = std::make_unique<Session>(std::move(client), std::move(route), session_services_,
                                           static_cast<SessionHost&>(*this), origin);
  auto* started = session.get();
  sessions_.emplace(started->number(), std::move(session));
  const auto evicted = doorstep_.add(started->number(), started->origin());
  if (const auto found = sessions_.find(evicted); found != sessions_.end()) {
    turnstile_.charge(found->second->origin(), services_.loop.now().mono);
    found->second->stop();
  }
  started->start();
}

void Broker::on_session_let_in(Session& session) { doorstep_.remove(session.number(), session.origin()); }

void Broker::on_session_over(Session& session) {
  const bool came_to_nothing = doorstep_.remove(session.number(), session.origin());
  if (came_to_nothing) turnstile_.charge(session.origin(), services_.loop.now().mono);
  count_traffic(session);
  services_.loop.at_turn_end([this, which = session.number()] {
    if (sessions_.erase(which) != 0) ++counters_.ended;
  });
}

}  // namespace sallyport::broker
