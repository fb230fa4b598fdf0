// How a pool gets a server connection: the slot's credential, the login, one retry when the credential was refused.
#include "base/limits.h"
#include "broker/pool.h"

#include <algorithm>
#include <iterator>
#include <string_view>
#include <utility>

namespace sallyport::broker {

namespace {

/// After a failed login nothing is logged in ahead of demand for so long.
constexpr auto held_back_for = std::chrono::seconds{2};
/// What a server takes to notice that a connection was closed, and to have its place for another one.
constexpr auto room_after = std::chrono::milliseconds{100};

/// The server refuses what was asked for, and would do so again: a database that is not there or takes nobody (55000),
/// a setting or a value that it does not know, a right that is missing.
bool refused_request(const Error& error) {
  constexpr std::string_view classes[] = {"0A", "22", "3D", "42", "55"};
  return std::any_of(std::begin(classes), std::end(classes),
                     [&](auto its) { return error.sqlstate.starts_with(its); });
}

}  // namespace

void Pool::connect(Attempt attempt) {
  count_login(attempt, 1);
  attempt.epoch = epoch_of(*attempt.sub);
  attempt.newest = newest_generation_;
  ask_for_credential(attempt);
}

void Pool::ask_for_credential(const Attempt& attempt) {
  const auto deadline = loop_.now().mono + limits::upstream_login_deadline;
  slot_.get(deadline, [this, alive = alive_, attempt](Result<credentials::GenerationPtr> generation) {
    if (*alive) on_credential(attempt, std::move(generation));
  });
}

void Pool::on_credential(Attempt attempt, Result<credentials::GenerationPtr> generation) {
  if (!generation) return on_attempt_failed(attempt, generation.error());
  const auto number = (*generation)->number;
  trial_.enter(number, attempt.sub->key.identity,
               [this, attempt, generation = std::move(*generation)](Trial::Turn turn) mutable {
                 if (stopped_) return abandon(attempt);
                 attempt.turn = turn;
                 if (generation == slot_.current()) return log_in(attempt, generation);
                 // It was refused or replaced while this one waited.
                 trial_.over(turn);
                 ask_for_credential(attempt);
               });
}

void Pool::log_in(const Attempt& attempt, credentials::GenerationPtr generation) {
  ConnectRequest request;
  auto reach = reach_for(*generation);
  if (!reach) {
    trial_.over(attempt.turn);
    return on_attempt_failed(attempt, reach.error());
  }
  request.reach = *reach;
  request.user = generation->credential->user.empty() ? settings_.role.user : generation->credential->user;
  request.database = attempt.sub->key.database;
  request.parameters = attempt.sub->key.profile;
  const auto replication = attempt.sub->key.replication;
  if (replication != policy::Replication::none) {
    request.parameters.emplace_back("replication",
                                    replication == policy::Replication::logical ? "database" : "true");
  }
  // A physical replication session sees no roles: a start-up parameter that names one would end it.
  if (!settings_.role.run_as.empty() && replication != policy::Replication::physical)
    request.parameters.emplace_back("role", settings_.role.run_as);
  request.methods = settings_.methods;
  request.generation = generation;
  auto hold = std::make_shared<credentials::Hold>(slot_.hold(generation));
  connector_.connect(std::move(request), [this, alive = alive_, attempt, generation = std::move(generation),
                                          reach = *reach, hold](Result<Connected> connected) {
    if (*alive) on_connected(attempt, generation, reach, std::move(*hold), std::move(connected));
  });
}

/// The way that a cloud's control plane described: its addresses, its authorities, its names.
Result<std::shared_ptr<const Reach>> Pool::reach_by(const credentials::Generation& generation) const {
  const auto& access = *generation.access;
  auto tls = net::TlsContext::for_identity({access.authorities_pem, access.names, access.common_name});
  if (!tls) return tls.error();
  auto reach = std::make_shared<Reach>(*settings_.reach);
  reach->endpoints.clear();
  for (const auto& one : access.addresses) reach->endpoints.push_back({one.host, one.port});
  reach->tls = std::move(*tls);
  reach->access = generation.access;
  reach->certificate = generation.credential;
  return std::shared_ptr<const Reach>{std::move(reach)};
}

// The secret supplies the endpoint only where the target names none (threat 3).
Result<std::shared_ptr<const Reach>> Pool::reach_for(const credentials::Generation& generation) const {
  if (generation.access != nullptr) return reach_by(generation);
  if (!settings_.reach->endpoints.empty()) return settings_.reach;
  if (generation.endpoint.host.empty()) {
    return Error{ErrorCode::bad_config,
                 Hop::config,
                 settings_.name,
                 "host is missing: neither the target nor its secret names it",
                 "Add host=db.example.com",
                 {}};
  }
  auto supplied = std::make_shared<Reach>(*settings_.reach);
  const auto add = [&](const std::string& host, std::uint16_t port) {
    supplied->endpoints.push_back({host, port == 0 ? Endpoint{}.port : port});
  };
  add(generation.endpoint.host, generation.endpoint.port);
  for (const auto& more : generation.endpoint.more_hosts) add(more.host, more.port);
  return std::shared_ptr<const Reach>{std::move(supplied)};
}

void Pool::on_connected(Attempt attempt, const credentials::GenerationPtr& generation,
                        const std::shared_ptr<const Reach>& reach, credentials::Hold hold,
                        Result<Connected> connected) {
  if (!connected) {
    const auto error = connected.error();
    const bool others_may = refuses_only_this(*attempt.sub, error);
    if (others_may || refused_request(error)) attempt.sub->refused = true;
    slot_.report_login_failed(generation->number, others_may ? std::string_view{} : error.sqlstate,
                              error.what);
    trial_.over(attempt.turn);
    if (refuses_credential(error.sqlstate) && !others_may && !attempt.retried) {
      // The credential may just have been rotated: the slot fetches once for everybody.
      count_login(attempt, -1);
      attempt.retried = true;
      return connect(attempt);
    }
    return on_attempt_failed(attempt, error);
  }
  slot_.report_login_succeeded(generation->number);
  let_in_.note(attempt.sub->key.database, attempt.sub->key.replication);
  count_login(attempt, -1);
  attempt.sub->refused = false;
  if (attempt.purpose != Purpose::ahead) attempt.sub->warm = !attempt.sub->is_own();
  no_primary_since_.reset();
  ++totals_.logins;
  auto upstream = std::make_unique<Upstream>();
  upstream->stream = std::move(connected->stream);
  upstream->number = randomness_.number();
  upstream->key = attempt.sub->key;
  upstream->hold = std::move(hold);
  upstream->generation = generation->number;
  upstream->epoch = attempt.epoch;
  upstream->reach = reach;
  upstream->endpoint = std::move(connected->endpoint);
  if (!upstream->endpoint.host.empty()) upstream->host = to_string(upstream->endpoint);
  upstream->address = connected->address;
  upstream->was_standby = connected->greeting.in_hot_standby.value_or(false);
  upstream->logged_in_at = loop_.now().mono;
  upstream->peer_address = upstream->stream->peer_address();
  upstream->local_address = upstream->stream->local_address();
  upstream->pid = connected->greeting.pid;
  upstream->cancel_key = std::move(connected->greeting.cancel_key);
  upstream->tls = std::move(connected->greeting.tls);
  upstream->user = generation->credential->user.empty() ? settings_.role.user : generation->credential->user;
  if (generation->credential->lease) upstream->lease_accessor = generation->credential->lease->accessor;
  // While it logged in there came a later credential, or an order to begin anew: nobody would be given it, and it says
  // nothing of those that stand.
  const bool outdated = attempt.epoch != epoch_of(*attempt.sub) ||
                        (attempt.newest < newest_generation_ && generation->number < newest_generation_);
  if (!outdated) note_greeting(*attempt.sub, *upstream, connected->greeting.parameters);
  std::uint8_t jitter = 0;
  randomness_.fill({&jitter, 1});
  upstream->close_after = loop_.now().mono + std::chrono::duration_cast<MonotonicTime::duration>(
                                                 settings_.pool.lifetime_max * (200 + jitter / 4) / 256);
  // Its client has gone, or it was for nobody in particular and its database is needed.
  const bool unwanted = (attempt.sub->is_own() || attempt.sub->given_up) && attempt.sub->waiting() == 0;
  if (stopped_ || unwanted || outdated) {
    close_politely(*upstream);
    line_up(*attempt.sub);  // who waits was not in line as long as this one was expected
    pump();                 // its place is free
  } else {
    add_spare(*attempt.sub, std::move(upstream), Arrival::login);
  }
  trial_.pass(generation->number);
  if (attempt.done) attempt.done({});
}

// Connections that were told the same share it, so that comparing them costs nothing.
void Pool::note_greeting(Sub& sub, Upstream& upstream, const postgres::Parameters& parameters) {
  ParameterMap map;
  for (const auto& [name, value] : parameters) note_parameter(map, name, value);
  upstream.parameters = ReportedParameters{std::move(map)};
  if (sub.greeting != nullptr && sub.greeting->parameters == upstream.parameters)
    upstream.parameters = sub.greeting->parameters;
  upstream.at_login = upstream.parameters;
  sub.greeting = std::make_shared<const Greeting>(
      Greeting{upstream.parameters, upstream.generation, upstream.user, upstream.lease_accessor,
               upstream.host, upstream.peer_address, upstream.local_address, upstream.tls});
}

// pg_hba.conf refuses with 28000 too, by database: the client's choice must not cost the others their credential. So a
// database that has never let the role in says nothing of it as long as another one has, or is being tried. One that
// has let it in, before a rotation, too, means the credential, and a wrong password (28P01) always does. Replication of
// the whole server has lines of its own there, of which ordinary sessions know nothing.
bool Pool::refuses_only_this(const Sub& sub, const Error& error) const {
  if (error.sqlstate != "28000" || let_in_.has(sub.key.database, sub.key.replication)) return false;
  if (sub.key.replication == policy::Replication::physical) return true;
  if (let_in_.anywhere()) return true;
  return std::any_of(subs_.begin(), subs_.end(), [&](const auto& other) {
    const auto& [key, one] = other;
    const bool elsewhere = key.database != sub.key.database || key.replication != sub.key.replication;
    return elsewhere && (one->connecting > 0 || one->waiting() > 0);
  });
}

void Pool::hold_back(Sub& sub) {
  sub.held_back = true;
  loop_.after(held_back_for, [this, alive = alive_, key = sub.key] {
    if (!*alive) return;
    const auto found = subs_.find(key);
    if (found == subs_.end()) return;
    found->second->held_back = false;
    found->second->server_full = false;
    line_up(*found->second);
    pump();
  });
}

// The server has no place for one more. One that stands idle under another key gives its place to whoever waits;
// otherwise connections of this key will come free, and the queue's own deadline decides.
bool Pool::wait_for_room(Sub& sub, const Error& error) {
  if (error.sqlstate != "53300") return false;
  server_full_until_ = loop_.now().mono + held_back_for;
  const bool made = sub.waiting() > 0 && make_room(&sub);
  if (made) {
    loop_.after(room_after, [this, alive = alive_, key = sub.key] {
      if (!*alive) return;
      const auto found = subs_.find(key);
      if (found == subs_.end()) return;
      found->second->server_full = false;
      line_up(*found->second);
      pump();
    });
  }
  return made || sub.in_use + sub.spares.size() > 0;
}

void Pool::on_attempt_failed(const Attempt& attempt, const Error& error) {
  auto& sub = *attempt.sub;
  count_login(attempt, -1);
  ++totals_.login_failures;
  hold_back(sub);
  if (attempt.done) attempt.done(error);
  sub.server_full = wait_for_room(sub, error);
  if (!sub.server_full) fail_waiters(sub, error, awaits_primary(error));
  line_up(sub);
  pump();  // those of other keys
}

}  // namespace sallyport::broker
