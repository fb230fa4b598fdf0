// Cancels, from both ends: the connection that carries one, and the session whose query it stops.
#include "broker/session.h"

#include <utility>

namespace sallyport::broker {

void Session::on_cancel_request(const postgres::CancelRequest& request) {
  const auto proven = route_->prover->prove(*client_);
  // Drivers hang up right after a cancel, and a loopback TCP connection then leads to no process any more. On a
  // route with a run token the key alone has to do: 32 random bits or more, wrong guesses limited.
  const bool hung_up =
      !proven && proven.error().code == ErrorCode::not_found && route_->run_token.has_value();
  if (!proven && !hung_up) return finish();
  if (proven) peer_ = *proven;
  auto* session = services_.cancels.find(request.pid, request.key, services_.loop.now().mono);
  // Only through the owning route and from the owning user; whoever guesses is told nothing.
  if (session == nullptr || session->route_->route.name != route_->route.name ||
      (proven && session->peer_.uid != peer_.uid))
    return finish();
  stage_ = Stage::waiting;
  // The client waits for our close: then the server has acted.
  session->cancel_query([this, alive = alive_] {
    if (*alive) finish();
  });
}

void Session::cancel_query(std::function<void()> done) {
  if (stage_ != Stage::relaying || !relay_->has_upstream()) return done();
  auto& upstream = relay_->upstream();
  ++upstream.cancels_in_flight;
  CancelOrder order{upstream.reach, upstream.address, upstream.pid, upstream.cancel_key};
  services_.connector.cancel(
      std::move(order), [this, alive = alive_, pool = access_.pool, pid = upstream.pid,
                         generation = upstream.generation, done](Result<void> outcome) {
        pool->on_cancel_done(generation, pid);
        if (*alive && relay_ != nullptr && relay_->has_upstream() && relay_->upstream().pid == pid &&
            relay_->upstream().cancels_in_flight > 0) {
          --relay_->upstream().cancels_in_flight;
          if (mover_ != nullptr && mover_->wants_boundary() && relay_->at_boundary()) mover_->at_boundary();
        }
        if (!outcome && *alive) {
          services_.logger.write(LogLevel::warning, "a cancel request did not reach the server",
                                 {{"error", outcome.error().what}});
        }
        done();
      });
}

}  // namespace sallyport::broker
