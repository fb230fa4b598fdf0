// Cancels, from both ends: the connection that carries one, and the session whose query it stops.
#include "base/limits.h"
#include "broker/session.h"

#include <optional>
#include <utility>

namespace sallyport::broker {

namespace {

/// Clients that wait for one cancel of the same session; further ones are closed at once.
constexpr std::size_t joined_cancels_max = 64;
/// One that joins waits for the cancel under way and then for its own.
constexpr auto cancel_wait_max = 2 * limits::upstream_cancel_deadline + std::chrono::seconds{5};

/// Only through the owning route, from the owning peer, and over TLS if the session was. Empty: it may.
std::string_view why_foreign(const CancelAsker& asker, std::string_view route, const ProvenPeer& own,
                             bool secured) {
  if (route != asker.route) return "it came by another route";
  if (secured && !asker.secured && !asker.local && !asker.clear)
    return "it came in clear, and the session has TLS";
  if (asker.uid && own.uid != asker.uid) return "it is another account's";
  if (own.certificate != nullptr && !asker.clear) {
    const bool same =
        asker.certificate != nullptr && policy::same_owner(*own.certificate, *asker.certificate);
    return same ? "" : "it lacks the certificate of the session's owner";
  }
  return own.address == asker.address ? "" : "it came from another address";
}

}  // namespace

// Until its key has turned out to be right it waits on the doorstep: without end, wrong ones are a flood like any other.
void Session::on_cancel_request(const postgres::CancelRequest& request) {
  if (route_->requires_tls() && !is_secured() && !route_->hears_clear_cancels()) return finish();
  const auto proven = route_->prover->prove(*client_, login_->facts.peer);
  // Drivers hang up right after a cancel, and a loopback TCP connection then leads to no process any more. On a
  // route with a run token the key has to do, with the uid if that could be seen at accept.
  const bool hung_up =
      !proven && proven.error().code == ErrorCode::not_found && route_->run_token.has_value();
  if (!proven && !hung_up) return finish();
  login_->facts.peer.certificate = login_->certificate;
  auto asker = as_asker(proven.has_value());
  const auto counted = asker.counted ? asker.uid : std::nullopt;
  const auto now = services_.loop.now().mono;
  auto* session =
      services_.cancels.find(request.pid, request.key, now, counted, services_.elsewhere == nullptr);
  const auto on_done = [this, alive = alive_.line()] {
    if (*alive) finish();
  };
  // Whoever guesses is told nothing.
  if (session != nullptr && !session->lets_cancel(asker)) return finish();
  if (session != nullptr) {
    host_.on_session_let_in(*this);
    await_cancel();
    // The client waits for our close: then the server has acted.
    return session->cancel_query(on_done);
  }
  if (services_.elsewhere == nullptr || services_.cancels.has_guessed_enough(now, counted)) return finish();
  await_cancel();
  const auto asked =
      services_.elsewhere->ask({request.pid, request.key, std::move(asker)},
                               [this, alive = alive_.line(), &services = services_, counted](bool found) {
                                 if (!found) services.cancels.count_miss(services.loop.now().mono, counted);
                                 if (!*alive) return;
                                 if (found) host_.on_session_let_in(*this);
                                 finish();
                               });
  if (!asked) finish();
}

void Session::await_cancel() {
  stage_ = Stage::cancelling;
  services_.loop.cancel(deadline_);
  deadline_ = services_.loop.after(cancel_wait_max, [this] {
    const auto limit = format_duration(cancel_wait_max);
    services_.logger.write(LogLevel::warning, "a cancel was not answered; its client is let go",
                           {{"route", route_->route.name}, {"within", limit}});
    finish();
  });
}

CancelAsker Session::as_asker(bool proven) const {
  const auto& own = peer();
  CancelAsker asker;
  asker.route = route_->route.name;
  asker.uid = proven ? own.uid : std::nullopt;
  asker.counted = asker.uid.has_value();
  // Clients older than libpq 17 send cancels without TLS always. Where the kernel says which process that is, the
  // key has left this machine neither then nor now.
  asker.local = asker.uid.has_value() || route_->run_token.has_value();
  if (!proven && origin().has_uid()) asker.uid = origin().uid;
  asker.address = own.address;
  asker.certificate = own.certificate;
  asker.pid = own.pid;
  asker.executable = own.executable;
  asker.secured = is_secured();
  asker.clear = !asker.secured && route_->hears_clear_cancels();
  return asker;
}

bool Session::lets_cancel(const CancelAsker& asker) const {
  const auto why = why_foreign(asker, route_->route.name, peer(), is_secured());
  if (!why.empty()) record_foreign_cancel(asker, why);
  return why.empty();
}

void Session::cancel_query(std::function<void()> done) {
  if (stage_ == Stage::relaying && relay_->awaits_upstream()) {
    // What is to be stopped has not begun: it never does, or is stopped as soon as it has.
    cancel_when_lent_ = !relay_->cancel_unsent();
    if (stage_ == Stage::relaying && !relay_->awaits_upstream() && waiter_ != 0)
      pool().cancel(std::exchange(waiter_, 0));
    return done();
  }
  if (stage_ != Stage::relaying || !relay_->has_upstream() || relay_->checks_state()) return done();
  // One at a time: whoever asks meanwhile gets the next one, together with all others that do.
  if (cancels_under_way_ != 0) {
    if (joined_cancels_.size() >= joined_cancels_max) return done();
    joined_cancels_.push_back(std::move(done));
    return;
  }
  send_cancel({std::move(done)});
}

void Session::send_cancel(std::vector<std::function<void()>> done) {
  auto& upstream = relay_->upstream();
  ++cancels_under_way_;
  ++upstream.cancels_in_flight;
  CancelOrder order{upstream.reach, upstream.endpoint, upstream.address, upstream.pid, upstream.cancel_key};
  services_.connector.cancel(
      std::move(order), [this, alive = alive_.line(), pool = facts().access.pool,
                         connection = upstream.number, done = std::move(done)](const CancelOutcome& outcome) {
        pool->on_cancel_done(connection, outcome.at_large);
        if (*alive) on_cancel_sent(connection, outcome);
        for (const auto& one : done) one();
      });
}

// A cancel at large may hit what this session does next, as it would on a direct connection. Nobody else gets it.
void Session::on_cancel_sent(std::uint64_t connection, const CancelOutcome& outcome) {
  --cancels_under_way_;
  const bool has_upstream = relay_ != nullptr && relay_->has_upstream();
  if (has_upstream && relay_->upstream().number == connection && relay_->upstream().cancels_in_flight > 0) {
    --relay_->upstream().cancels_in_flight;
    if (outcome.at_large) relay_->upstream().cancel_at_large = true;
    if (departure_ != nullptr) departure_->on_cancel_done();
    if (stage_ == Stage::relaying) relay_->on_cancel_done();
  }
  if (!outcome.taken) {
    services_.logger.write(
        LogLevel::warning,
        outcome.at_large ? "a cancel request may reach the server late: its connection goes to nobody else"
                         : "a cancel request did not reach the server",
        {{"error", outcome.taken.error().what}});
  }
  auto joined = std::exchange(joined_cancels_, {});
  if (joined.empty()) return;
  if (stage_ == Stage::relaying && relay_->has_upstream()) return send_cancel(std::move(joined));
  for (const auto& one : joined) one();
}

}  // namespace sallyport::broker
