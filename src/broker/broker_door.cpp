// Who comes to the broker's door: turned away unheard (threat 17), waiting on the doorstep, or given a place.
#include "broker/broker.h"
#include "wire/postgres/refusal.h"

#include <chrono>
#include <utility>

namespace sallyport::broker {

namespace {

constexpr auto turned_away_told_every = std::chrono::seconds{1};

}  // namespace

Result<SessionQuota::Place> Broker::take_place(const RouteRuntime& route, const policy::Decision& decision) {
  const auto now = services_.loop.now().mono;
  auto place = quota_.take(route.route, decision, now);
  // A client that has said goodbye and comes again is not to wait for us to have seen its close.
  while (!place) {
    const auto limit = SessionQuota::limit_of(place.error());
    const bool own = limit == SessionQuota::identity_limit;
    if (!own && limit != SessionQuota::route_limit) break;
    if (!end_lingering(route.route.name, own ? decision.identity : std::string{})) break;
    place = quota_.take(route.route, decision, now);
  }
  return place;
}

// One session of this route, and of this identity unless that is empty. False: there is none.
bool Broker::end_lingering(const std::string& route, const std::string& identity) {
  const auto found = lingering_.lower_bound({route, identity});
  if (found == lingering_.end() || found->first.first != route) return false;
  if (!identity.empty() && found->first.second != identity) return false;
  sessions_.at(*found->second.begin())->stop();  // which takes it out of there
  return true;
}

void Broker::on_session_lingers(Session& session) {
  lingering_[{session.route().route.name, session.identity()}].insert(session.number());
}

bool Broker::lets_in(const Origin& origin, const std::string& route) {
  if (turnstile_.lets_in(origin, services_.loop.now().mono)) return true;
  ++counters_.turned_away;
  note_turned_away(origin, route, false);
  return false;
}

void Broker::note_turned_away(const Origin& origin, const std::string& route, bool beyond_max) {
  ++turned_away_[{origin, route, beyond_max}];
  if (turned_away_timer_) return;
  turned_away_timer_ = services_.loop.after(turned_away_told_every, [this] {
    turned_away_timer_ = {};
    record_turned_away();
  });
}

void Broker::record_turned_away() {
  std::uint64_t beyond_max = 0;
  for (const auto& [whose, count] : turned_away_) {
    if (whose.beyond_max) beyond_max += count;
    trail::Event event;
    event.kind = trail::EventKind::session_denied;
    event.at = services_.loop.now().wall;
    event.route = whose.route;
    event.result = whose.beyond_max ? "failed" : "denied";
    event.reason = whose.beyond_max ? "there were as many client connections as may be"
                                    : "turned away at the door: too many refused connections of this account "
                                      "or network in a second";
    event.count = count;
    if (whose.origin.has_uid()) event.verified["uid"] = std::to_string(whose.origin.uid);
    if (const auto network = whose.origin.network.to_string(); !network.empty())
      event.verified["address"] = network;
    services_.trail.deny(std::move(event), whose.beyond_max ? "door clients_max" : "door turned_away");
  }
  turned_away_.clear();
  if (beyond_max == 0) return;
  services_.logger.write(LogLevel::warning, "clients were refused: there are as many as may be",
                         {{"clients", static_cast<std::int64_t>(sessions_.size())},
                          {"refused", static_cast<std::int64_t>(beyond_max)},
                          {"fix", "raise limits.clients_max, or the descriptor limit (LimitNOFILE)"}});
}

// One write that does not wait, in the clear: libpq takes an error for the answer to its request for TLS, too. What has
// come is read once: bytes left unread would turn our close into a reset, which may overtake the refusal.
void Broker::refuse_beyond_max(net::Stream& client, const RouteRuntime& route, const Origin& origin) {
  ++counters_.beyond_max;
  if (too_many_.empty()) {
    postgres::encode_refusal(too_many_, Error{ErrorCode::limit_exceeded,
                                              Hop::listener,
                                              {},
                                              "too many clients are connected already",
                                              "Connect again later",
                                              "53300"});
  }
  (void)client.write(Bytes{too_many_});
  client.shutdown_write();
  (void)client.read(session_services_.buffer);
  note_turned_away(origin, route.route.name, true);
}

void Broker::accept(std::unique_ptr<net::Stream> client, std::shared_ptr<const RouteRuntime> route,
                    Origin origin) {
  if (sessions_.size() >= clients_max()) return refuse_beyond_max(*client, *route, origin);
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

void Broker::on_session_let_in(Session& session) {
  doorstep_.remove(session.number(), session.origin());
  // A cancel is let in, too, once it has shown a key.
  if (session.has_access())
    client_logins_[session.route().route.name].add(services_.loop.now().mono - session.accepted_at());
}

void Broker::on_session_over(Session& session) {
  const bool came_to_nothing = doorstep_.remove(session.number(), session.origin());
  if (came_to_nothing) turnstile_.charge(session.origin(), services_.loop.now().mono);
  if (session.lingers()) {
    const auto own = lingering_.find({session.route().route.name, session.identity()});
    own->second.erase(session.number());
    if (own->second.empty()) lingering_.erase(own);
  }
  count_traffic(session);
  services_.loop.at_turn_end([this, which = session.number()] {
    if (sessions_.erase(which) != 0) ++counters_.ended;
  });
}

}  // namespace sallyport::broker
