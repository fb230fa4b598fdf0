#include "broker/spare.h"

#include "base/limits.h"
#include "broker/role_settings.h"
#include "wire/postgres/frame.h"
#include "wire/postgres/session_messages.h"

#include <utility>

namespace sallyport::broker {

Spare::Spare(UpstreamPtr upstream, net::Loop& loop, Events events)
    : upstream_(std::move(upstream)), loop_(loop), events_(std::move(events)) {
  upstream_->stream->set_events(this);
}

Spare::~Spare() {
  loop_.cancel(deadline_);
  if (upstream_ != nullptr) upstream_->stream->set_events(nullptr);
}

void Spare::begin_reset(bool reset_role) {
  condition_ = Condition::resetting;
  resets_role_ = reset_role;
  reset_waits_ = upstream_->cancels_in_flight != 0;
  if (!reset_waits_) reset();
}

void Spare::on_cancel_done() {
  if (condition_ == Condition::resetting && std::exchange(reset_waits_, false)) reset();
}

void Spare::reset() {
  postgres::encode(unsent_, postgres::Query{"DISCARD ALL"});
  replies_owed_ = 1;
  if (resets_role_) {
    postgres::encode(unsent_, postgres::Query{"RESET ROLE"});
    ++replies_owed_;
  }
  deadline_ = loop_.after(reset_deadline, [this] { break_now(); });
  flush();
  if (condition_ == Condition::resetting) read_frames();
}

void Spare::probe() {
  if (upstream_ == nullptr || !at_rest()) return;  // taken, or ended, by what another one's end has set off
  condition_ = Condition::resetting;
  probed_ = true;
  postgres::encode(unsent_, postgres::Sync{});
  replies_owed_ = 1;
  deadline_ = loop_.after(probe_deadline, [this] { break_now(); });
  flush();
}

void Spare::ask(std::string_view sql) {
  upstream_->statements.unnamed = 0;  // a simple query ends it
  asked_ = true;
  rows_.emplace();
  postgres::encode(unsent_, postgres::Query{sql});
  replies_owed_ = 1;
  deadline_ = loop_.after(probe_deadline, [this] { break_now(); });
  flush();
}

void Spare::be_ready() {
  loop_.cancel(deadline_);
  condition_ = Condition::ready;
  heard_at_ = loop_.now().mono;
  if (std::exchange(asked_, false)) events_.on_answer(*this, std::exchange(rows_, std::nullopt));
  if (!std::exchange(probed_, false)) ready_since_ = heard_at_;  // a probe makes it no younger
  events_.on_ready(*this);
}

UpstreamPtr Spare::take() {
  upstream_->stream->set_events(nullptr);
  return std::move(upstream_);
}

void Spare::on_readable() { read_frames(); }

void Spare::on_writable() { flush(); }

void Spare::flush() {
  while (!unsent_.empty()) {
    const auto result = upstream_->stream->write(Bytes{unsent_});
    if (result.status == net::IoStatus::would_block) return;
    if (result.status != net::IoStatus::ok) return break_now();
    unsent_.erase(unsent_.begin(), unsent_.begin() + static_cast<std::ptrdiff_t>(result.bytes));
  }
}

void Spare::read_frames() {
  const bool was_at_rest = at_rest();
  bool more = true;
  for (int reads = 0; more && condition_ != Condition::broken; ++reads) {
    // Nobody has asked it anything that takes so long to say.
    if (reads == reads_max) return break_now();
    std::uint8_t chunk[2048];
    const auto result = upstream_->stream->read(chunk);
    if (result.status == net::IoStatus::would_block) break;
    if (result.status != net::IoStatus::ok) return break_now();
    input_.append({chunk, result.bytes});
    more = result.more;
    while (true) {
      const auto message = postgres::decode_message(input_.unread(), limits::login_body_bytes_max);
      if (!message) return break_now();
      if (!*message) break;
      if (!on_message((*message)->type, (*message)->body)) return break_now();
      input_.consume((*message)->frame_bytes());
    }
  }
  if (condition_ == Condition::resetting && replies_owed_ == 0 && !reset_waits_ && input_.empty())
    return be_ready();
  if (!was_at_rest && at_rest()) events_.on_ready(*this);
}

Result<void> Spare::on_message(char type, Bytes body) {
  const Error unexpected{ErrorCode::peer_misbehaved, Hop::pool, "reset", "an unexpected message", {}, {}};
  if (asked_ && (type == 'T' || type == 'D' || type == 'E')) return on_answer(type, body);
  switch (type) {
    case 'S': {
      const auto status = postgres::decode_parameter_status(body);
      if (!status) return status.error();
      upstream_->parameters.note(status->name, status->value);
      return {};
    }
    case 'N': return {};
    // A notification for nobody: the session that listened has ended, DISCARD ALL is on its way.
    case 'A':
      if (condition_ == Condition::resetting) return {};
      return unexpected;
    case 'C':
      if (replies_owed_ > 0) return {};
      return unexpected;
    case 'Z': {
      const auto ready = postgres::decode_ready_for_query(body);
      if (!ready) return ready.error();
      if (replies_owed_ == 0 || ready->status != postgres::TransactionStatus::idle) return unexpected;
      --replies_owed_;
      return {};
    }
    default: return unexpected;  // ErrorResponse among them: the connection is of no more use
  }
}

Result<void> Spare::on_answer(char type, Bytes body) {
  if (type == 'E') rows_.reset();
  if (type != 'D' || !rows_ || rows_->size() == RoleSettings::settings_max) return {};
  auto value = setting_of_row(body);
  if (!value) return value.error();
  rows_->push_back(std::move(*value));
  return {};
}

void Spare::break_now() {
  if (condition_ == Condition::broken) return;
  loop_.cancel(deadline_);
  failed_reset_ = condition_ == Condition::resetting && !probed_ && !asked_;
  ended_behind_login_ = condition_ == Condition::resetting && asked_;
  condition_ = Condition::broken;
  events_.on_broken(*this);
}

}  // namespace sallyport::broker
