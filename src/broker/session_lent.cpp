// A session in transaction pooling: it borrows a server connection for as long as something is under way.
#include "broker/session.h"

#include <utility>

namespace sallyport::broker {

namespace {

constexpr auto query_starts_within = std::chrono::milliseconds{50};

}  // namespace

LendingSettings Session::lending_settings() {
  const auto& settings = pool().settings().pool;
  return {*pool().statements(),           services_.scratch,
          settings.on_session_state,      settings.verify_session_state,
          facts().access.decision.run_as, settings.statements_max};
}

// A reload has put another pool in the place of ours: what is lent from now on comes from that one, and ours ends.
// A session that has a connection comes to it when it asks for the next.
void Session::follow_reload() {
  if (stage_ != Stage::relaying || !is_lent() || !pool().is_replaced()) return;
  const auto route = host_.current_route(route_);
  if (route == nullptr) return;
  auto access = host_.decide(*route, peer(), claims(), began_);
  // Who has lost its access is being ended; session pooling is for clients that come new.
  if (!access || access->decision.role != role() || access->target != target() ||
      access->pool->settings().pool.mode != PoolMode::transaction || access->pool->is_replaced())
    return;
  const bool waits = waiter_ != 0;
  auto next = facts();
  next.key.database = access->decision.database;
  next.key.identity =
      access->pool->settings().pool.shared_by_role ? std::string{} : access->decision.identity;
  next.access = std::move(*access);
  const auto old = std::exchange(facts_, services_.clients.share(std::move(next)));
  if (!relay_->lend_from(lending_settings())) {
    facts_ = old;
    return;
  }
  if (waits) old->access.pool->cancel(std::exchange(waiter_, 0));
  if (facts().application_name) relay_->keep_name(facts().told.value_of(ClientName::parameter));
  if (departure_ != nullptr) departure_->follow(pool(), facts().access.decision.run_as);
  if (waits) lend_later();
}

UpstreamPtr Session::lend_now() {
  if (stage_ != Stage::relaying) return nullptr;
  follow_reload();
  return pool().try_take(facts().key);
}

void Session::lend_later() {
  if (stage_ != Stage::relaying) return;
  const auto deadline = services_.loop.now().mono + pool().settings().pool.wait_max;
  const auto waiter = pool().take(facts().key, deadline,
                                  [this](Result<UpstreamPtr> upstream) { on_lent(std::move(upstream)); });
  if (waiter != 0) waiter_ = waiter;
}

void Session::on_lent(Result<UpstreamPtr> upstream) {
  waiter_ = 0;
  if (stage_ != Stage::relaying) {
    if (upstream) pool().put_back(std::move(*upstream));
    return;
  }
  if (!upstream) return end_unserved(upstream.error());
  relay_->on_lent(std::move(*upstream));
  on_served();
}

// What was to be stopped before it had begun. A server forgets a cancel that comes before it has read the query, so the
// query gets a moment's start. One cancel, and not if anything has been answered: it must not hit what comes next.
void Session::on_served() {
  if (stage_ != Stage::relaying || relay_->awaits_upstream()) return;
  if (!std::exchange(cancel_when_lent_, false) || !relay_->has_upstream()) return;
  services_.loop.after(query_starts_within,
                       [this, alive = alive_.line(), answered = relay_->bytes_to_client()] {
                         if (!*alive || stage_ != Stage::relaying || !relay_->has_upstream()) return;
                         if (relay_->bytes_to_client() == answered) cancel_query([] {});
                       });
}

void Session::on_returned(UpstreamPtr upstream, bool clean) {
  on_busy();
  if (departure_ != nullptr) departure_->on_upstream_returned();
  clean ? pool().put_back(std::move(upstream)) : pool().give_back(std::move(upstream));
}

void Session::on_session_state(postgres::StateReason reason, bool refused) {
  host_.on_session_state(*this, reason, refused);
  // It is bound to this connection, and so to its credential.
  if (!refused && relay_->has_upstream()) departure().heed_ending();
}

// Its query cannot be given to any server. What it is told is fatal, as the query may be one of a pipeline.
void Session::end_unserved(const Error& error) {
  record_end("failed", describe(error));
  stage_ = Stage::closing;
  if (departure_ != nullptr) departure_->give_up();
  outgoing_ = relay_->take_outgoing_to_client();
  WipedBytes refusal;
  postgres::encode_refusal(refusal, error, postgres::RefusalTexts::full, id());
  send(Bytes{refusal});
  close_client();
}

}  // namespace sallyport::broker
