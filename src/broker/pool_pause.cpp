// When clients wait for a moment although connections stand ready for them.
#include "base/limits.h"
#include "broker/pool.h"

namespace sallyport::broker {

namespace {

/// A manager that revokes a lease ends the user's connections one after the other, a server that goes down too:
/// within milliseconds. A client that came in between would be given one that is about to end.
constexpr auto loss_pause = std::chrono::milliseconds{100};
/// A session may end its own connection as often as it likes: that must not keep the others waiting.
constexpr auto loss_pause_every = std::chrono::seconds{5};

}  // namespace

void Pool::note_loss(const std::string& identity) {
  const auto now = loop_.now().mono;
  const auto share = shares_.find(identity);
  if (share != shares_.end()) {
    if (now < share->second.next_pause) return;
    share->second.next_pause = now + loss_pause_every;
  }
  paused_until_ = now + loss_pause;
  loop_.after(loss_pause, [this, alive = alive_] {
    if (*alive) pump();
  });
}

void Pool::hold_newcomers(bool held) {
  held_ = held;
  if (!held_) pump();
}

void Pool::reconnect() {
  ++epoch_;
  role_settings_.look_again();  // the first login of this epoch is asked about
  // Who comes now is told what the new ones are told.
  for (auto& [key, sub] : subs_) sub->greeting = nullptr;
  on_new_generation(newest_generation_);
}

bool Pool::pauses() {
  if (held_) return true;
  if (loop_.now().mono < paused_until_ || awaits_renewal_) return true;
  if (!slot_.renews_first()) {
    renewal_given_up_ = false;
    return false;
  }
  // The source does not answer, but the lease has not ended: better served than not.
  if (renewal_given_up_) return false;
  awaits_renewal_ = true;
  // In a turn of its own: the slot may tell of endings at once, sessions then take connections, and we are in the
  // middle of looking for one.
  loop_.post([this, alive = alive_] {
    if (*alive) await_renewal();
  });
  return true;
}

void Pool::await_renewal() {
  slot_.get(loop_.now().mono + limits::upstream_login_deadline,
            [this, alive = alive_](const Result<credentials::GenerationPtr>& generation) {
              if (!*alive) return;
              awaits_renewal_ = false;
              renewal_given_up_ = !generation;
              // Nobody logs in with it: if this was the one trial after a refusal, the next caller has it.
              if (generation) slot_.report_login_failed((*generation)->number, {});
              pump();
            });
}

}  // namespace sallyport::broker
