#include "credentials/slot.h"

#include "credentials/slot_state.h"

#include <utility>

namespace sallyport::credentials {

std::string_view name_of(SecurityEvent::Kind kind) {
  switch (kind) {
    case SecurityEvent::Kind::credential_changed_outside: return "credential_changed_outside";
    case SecurityEvent::Kind::endpoint_changed: return "endpoint_changed";
    case SecurityEvent::Kind::role_changed_outside: return "role_changed_outside";
    case SecurityEvent::Kind::unwrap_failed: return "unwrap_failed";
  }
  return "unknown";
}

Hold::Hold(Hold&& other) noexcept
    : slot_(std::move(other.slot_)), generation_(std::exchange(other.generation_, nullptr)) {}

Hold& Hold::operator=(Hold&& other) noexcept {
  if (this == &other) return *this;
  release();
  slot_ = std::move(other.slot_);
  generation_ = std::exchange(other.generation_, nullptr);
  return *this;
}

void Hold::release() {
  const GenerationPtr generation = std::exchange(generation_, nullptr);
  if (!generation) return;
  if (const auto slot = slot_.lock()) slot->release(generation->number);
}

Slot::Slot(std::unique_ptr<secrets::SourceSession> session, SlotOptions options, Timers& timers,
           Runner& runner, LeaseJournal& journal, Observer& observer, Randomness& randomness)
    : state_(std::make_shared<SlotState>(std::move(session), std::move(options), timers, runner, journal,
                                         observer, randomness)) {}

Slot::~Slot() { state_->detach(); }

Slot::WaiterId Slot::get(MonotonicTime deadline, GetCallback callback, ErrorsTold told) {
  return state_->get(deadline, std::move(callback), told);
}
void Slot::cancel(WaiterId waiter) { state_->cancel(waiter); }
GenerationPtr Slot::current() const { return state_->current(); }
bool Slot::is_blocked() const { return state_->is_blocked(); }
Hold Slot::hold(const GenerationPtr& generation) { return state_->hold(generation); }
void Slot::report_login_succeeded(std::uint64_t generation) { state_->report_login_succeeded(generation); }
void Slot::report_login_failed(std::uint64_t generation, std::string_view sqlstate, std::string_view said) {
  state_->report_login_failed(generation, sqlstate, said);
}
void Slot::report_role_changed(std::uint64_t generation, std::string text) {
  state_->report_role_changed(generation, std::move(text));
}
void Slot::prefetch() { state_->prefetch(); }
void Slot::try_again() { state_->try_again(); }
void Slot::check_now() { state_->check_now(); }
bool Slot::renews_first() { return state_->renews_first(); }
void Slot::shutdown(Duration limit, std::function<void(ShutdownReport)> done) {
  state_->shutdown(limit, std::move(done));
}
void Slot::revoke_orphan(Lease lease, std::function<void(Result<void>)> done) {
  state_->revoke_orphan(std::move(lease), std::move(done));
}
std::optional<WallTime> Slot::expiry_of(std::uint64_t generation) const {
  return state_->expiry_of(generation);
}
const SlotCounters& Slot::counters() const { return state_->counters(); }
SlotStatus Slot::status() const { return state_->status(); }

}  // namespace sallyport::credentials
