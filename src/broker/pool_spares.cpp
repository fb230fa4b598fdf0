// The connections that a pool keeps: coming back to be reset, making room for others, growing old, closed.
#include "broker/pool.h"
#include "broker/reset_role.h"
#include "wire/postgres/session_messages.h"

#include <algorithm>
#include <limits>
#include <utility>

namespace sallyport::broker {

// Closes one that is of no more use, or has been ready for longest under another key. Null: any. Of the identity that
// has most of them, the asker's own before another's: new start-up options without end cost nobody else a connection.
bool Pool::make_room(const Sub* for_sub) {
  Sub* from = nullptr;
  SpareList::iterator victim;
  std::size_t most = 0;
  for (auto& [number, sub] : stocked_) {
    const bool own = for_sub != nullptr && sub->share == for_sub->share;
    const auto stock = 2 * sub->share->spares + (own ? 1 : 0);
    for (auto at = sub->spares.begin(); at != sub->spares.end(); ++at) {
      if ((*at)->condition() != Spare::Condition::ready) continue;
      const bool useful = usable(*sub, (*at)->upstream());
      if (sub == for_sub && useful) continue;
      const auto rank = useful ? stock : std::numeric_limits<std::size_t>::max();
      if (from != nullptr &&
          (rank < most || (rank == most && (*at)->ready_since() >= (*victim)->ready_since())))
        continue;
      from = sub;
      victim = at;
      most = rank;
    }
  }
  if (from == nullptr) return false;
  close_politely((*victim)->upstream());
  drop_spare(*from, victim);
  return true;
}

void Pool::add_spare(Sub& sub, UpstreamPtr upstream, Arrival arrival) {
  auto spare = std::make_unique<Spare>(
      std::move(upstream), loop_,
      Spare::Events{[this](Spare&) { pump(); }, [this](Spare& broken) { remove_spare(broken); },
                    [this](Spare& asked, auto rows) { on_login_answer(asked.upstream(), std::move(rows)); }});
  auto& added = *spare;
  sub.spares.push_back(std::move(spare));
  ++spares_;
  ++sub.share->spares;
  stocked_[sub.number] = &sub;
  if (arrival == Arrival::after_session) {
    const auto version = added.upstream().parameters.value_of("server_version");
    added.begin_reset(!settings_.role.run_as.empty() || discard_all_loses_role(version));
  } else if (arrival == Arrival::login) {
    ask_after_login(added);
  } else {
    added.be_ready();
  }
}

void Pool::remove_spare(Spare& spare) {
  const auto found = subs_.find(spare.upstream().key);
  if (found == subs_.end()) return;
  auto& spares = found->second->spares;
  const auto at =
      std::find_if(spares.begin(), spares.end(), [&](const auto& one) { return one.get() == &spare; });
  if (at == spares.end()) return;
  if (spare.failed_reset()) ++totals_.resets_failed;
  // A manager that revokes a lease ends the user's connections, then drops the user: in between a login ahead of
  // demand would succeed, and a client be given a user that is gone.
  if (!spare.failed_reset()) {
    hold_back(*found->second);
    note_loss(found->second->key.identity);
  }
  // One may be an accident. Of several in a row who waits is told: the next login could end in the same way, for as long
  // as they wait.
  const bool as_failed_logins =
      spare.ended_behind_login() && ++found->second->ended_behind_login >= ended_behind_login_max;
  drop_spare(*found->second, at);
  if (as_failed_logins) {
    found->second->ended_behind_login = 0;
    fail_waiters(
        *found->second,
        Error{ErrorCode::retry_later, Hop::login, settings_.name,
              "the server ended the connection right behind the login", "Look into its log", "08006"},
        false);
  }
  pump();
}

// Off the list, destroyed at the turn's end: it may be the one whose event we are in.
Pool::SpareList::iterator Pool::drop_spare(Sub& sub, SpareList::iterator at) {
  bury(std::move(*at));
  const auto next = sub.spares.erase(at);
  --spares_;
  --sub.share->spares;
  if (sub.spares.empty()) stocked_.erase(sub.number);
  line_up(sub);  // who had counted on it
  return next;
}

void Pool::give_back(UpstreamPtr upstream) {
  const auto found = subs_.find(upstream->key);
  if (found == subs_.end()) return;
  auto& sub = *found->second;
  // Not for its session: another one that moves may have it, else a full pool has no place for it.
  const auto places = settings_.pool.max + (sub.movers.empty() ? 0 : places_beyond());
  const bool beyond = upstream->for_move && total() >= places;
  if (stopped_ || sub.is_own() || sub.given_up || beyond || !usable(sub, *upstream))
    return discard(std::move(upstream));
  on_move_done(*upstream);
  count(sub, &Sub::in_use, -1);
  upstream->statements.clear();  // as its reset does
  upstream->statements.on_reading_restored();
  add_spare(sub, std::move(upstream), Arrival::after_session);
  if (total() > settings_.pool.max) pump();  // another one has to go
}

void Pool::discard(UpstreamPtr upstream, bool whole) {
  on_move_done(*upstream);
  look_back(*upstream);
  const auto found = subs_.find(upstream->key);
  if (whole) close_politely(*upstream);
  upstream->stream->set_events(nullptr);
  // It may be the stream whose event we are in.
  loop_.at_turn_end([kept = std::shared_ptr<Upstream>(std::move(upstream))] {});
  if (found == subs_.end()) return;
  count(*found->second, &Sub::in_use, -1);
  pump();
}

void Pool::on_move_done(Upstream& upstream) {
  if (std::exchange(upstream.for_move, false)) --moving_;
}

void Pool::on_cancel_done(std::uint64_t connection, bool at_large) {
  for (auto& [number, sub] : stocked_) {
    for (auto at = sub->spares.begin(); at != sub->spares.end(); ++at) {
      auto& upstream = (*at)->upstream();
      if (upstream.number != connection || upstream.cancels_in_flight == 0) continue;
      upstream.cancel_at_large = upstream.cancel_at_large || at_large;
      if (--upstream.cancels_in_flight > 0) return;
      if (upstream.cancel_at_large) {
        close_politely(upstream);
        drop_spare(*sub, at);
      } else {
        (*at)->on_cancel_done();
      }
      return pump();
    }
  }
}

void Pool::on_new_generation(std::uint64_t number) {
  newest_generation_ = std::max(newest_generation_, number);
  for (auto& [key, sub] : subs_) {
    for (auto at = sub->spares.begin(); at != sub->spares.end();) {
      if ((*at)->condition() != Spare::Condition::ready || usable(*sub, (*at)->upstream())) {
        ++at;
        continue;
      }
      close_politely((*at)->upstream());
      at = drop_spare(*sub, at);
    }
    line_up(*sub);  // one that is being reset is of no use to them any more
  }
  pump();
}

void Pool::note_ending(std::uint64_t generation, CredentialEnd end) {
  endings_[generation] = end;
  while (endings_.size() > endings_max) endings_.erase(endings_.begin());
}

std::optional<CredentialEnd> Pool::ending_of(std::uint64_t generation) const {
  const auto found = endings_.find(generation);
  return found == endings_.end() ? std::nullopt : std::optional{found->second};
}

void Pool::reap() {
  const auto now = loop_.now().mono;
  if (!slot_.renews_first()) renewal_given_up_ = false;
  std::vector<Spare*> quiet;
  for (auto& [key, sub] : subs_) {
    auto ready = sub->spares.size();
    const auto kept = keeps_ready(*sub) ? settings_.pool.min_ready : 0;
    for (auto at = sub->spares.begin(); at != sub->spares.end();) {
      auto& spare = **at;
      const bool idle = spare.condition() == Spare::Condition::ready && ready > kept &&
                        now - spare.ready_since() > settings_.pool.idle_max;
      const bool over = spare.condition() == Spare::Condition::ready && !usable(*sub, spare.upstream());
      if (!idle && !over) {
        // Its server, or the way to it, may have gone without a word: better found out before a client needs it.
        if (spare.at_rest() && now - spare.heard_at() > probe_every) quiet.push_back(&spare);
        ++at;
        continue;
      }
      close_politely(spare.upstream());
      at = drop_spare(*sub, at);
      --ready;
    }
    line_up(*sub);
  }
  for (auto* spare : quiet) spare->probe();
  forget_unneeded();
  pump();
  reaper_ = loop_.after(reap_every, [this] { reap(); });
}

void Pool::bury(std::unique_ptr<Spare> spare) {
  loop_.at_turn_end([kept = std::shared_ptr<Spare>(std::move(spare))] {});
}

void Pool::close_politely(Upstream& upstream) {
  WipedBytes goodbye;
  postgres::encode(goodbye, postgres::Terminate{});
  (void)upstream.stream->write(Bytes{goodbye});
}

void Pool::close_when_idle(bool replaced) {
  // Those that are here may need a ready one again soon, transaction by transaction.
  constexpr Duration linger = std::chrono::seconds{10};
  settings_.pool.min_ready = 0;
  settings_.pool.idle_max = std::min<Duration>(settings_.pool.idle_max, linger);
  if (!replaced) return;
  replaced_ = true;
  // Long enough for who waits already: one that is old when it is logged in is of use to nobody.
  settings_.pool.lifetime_max = std::chrono::seconds{1};
  for (auto& [key, sub] : subs_) {
    for (auto at = sub->spares.begin(); at != sub->spares.end();) {
      if ((*at)->condition() != Spare::Condition::ready || !waiters_.empty()) {
        (*at)->upstream().close_after = loop_.now().mono;
        ++at;
        continue;
      }
      close_politely((*at)->upstream());
      at = drop_spare(*sub, at);
    }
  }
}

}  // namespace sallyport::broker
