// How a mover comes by the connection that its session is to move to, and what that one says of itself.
#include "broker/mover.h"
#include "broker/role_settings.h"

#include <algorithm>
#include <utility>

namespace sallyport::broker {

void Mover::start() {
  if (step_ != Step::idle || !relay_.has_upstream()) return;
  step_ = Step::waiting_for_connection;
  auto& upstream = relay_.upstream();
  waiter_ = pool_.take(
      upstream.key, loop_.now().mono + connection_deadline,
      [this](Result<UpstreamPtr> fresh) {
        waiter_ = 0;
        if (!fresh) {
          step_ = Step::idle;
          return owner_.on_move_failed(fresh.error());
        }
        fresh_ = std::move(*fresh);
        step_ = Step::have_connection;
        relay_.want_boundary(true);
        if (relay_.at_boundary()) at_boundary();
      },
      std::max(upstream.generation, ended_));
}

// The session is busy for so long that the credential it was to move to ends as well.
void Mover::on_generation_ending(std::uint64_t generation) {
  ended_ = std::max(ended_, generation);
  if (step_ != Step::have_connection || fresh_->generation > generation) return;
  pool_.discard(std::move(fresh_), true);
  step_ = Step::idle;
  start();
}

// The first row of the new connection; behind it come those of settings.
Result<void> Mover::on_role_row(Bytes body) {
  if (!asks_for_role() || !fresh_role_.empty()) return {};
  auto role = setting_of_row(body);
  if (!role) return role.error();
  fresh_role_ = std::move(*role);
  return {};
}

}  // namespace sallyport::broker
