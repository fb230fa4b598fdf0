#include "broker/mover.h"

#include "base/limits.h"
#include "broker/move_questions.h"
#include "broker/move_reasons.h"
#include "wire/postgres/frame.h"
#include "wire/postgres/quote.h"

#include <utility>

namespace sallyport::broker {

namespace {

constexpr std::size_t rows_max = 2'000;

}  // namespace

Mover::Mover(Relay& relay, Pool& pool, std::string run_as, net::Loop& loop, MoverOwner& owner)
    : relay_(relay), pool_(pool), run_as_(std::move(run_as)), loop_(loop), owner_(owner) {}

Mover::~Mover() { give_up(); }

void Mover::give_up() {
  loop_.cancel(deadline_);
  const bool whole = unsent_.empty();
  step_ = Step::over;
  given_up_ = true;
  if (waiter_ != 0) pool_.cancel(std::exchange(waiter_, 0));
  if (old_ != nullptr) pool_.discard(std::move(old_), whole);
  if (fresh_ != nullptr) pool_.discard(std::move(fresh_), whole);
}

void Mover::at_boundary() {
  if (step_ != Step::have_connection || !relay_.has_upstream()) return;
  if (relay_.upstream().cancels_in_flight != 0) return;  // it must not hit our questions
  if (const auto hidden = relay_.hidden_state(); !hidden.empty()) return stay(hidden);
  ask();
}

net::Stream& Mover::stream() { return step_ == Step::asking ? *old_->stream : *fresh_->stream; }

void Mover::ask() {
  step_ = Step::asking;
  relay_.hold_client();
  old_ = relay_.detach_upstream();
  old_->stream->set_events(this);
  encode_move_questions(unsent_);
  questions_answered_ = 0;
  ready_owed_ = 1;
  error_seen_ = false;
  deadline_ = loop_.after(answer_deadline, [this] { broke(); });
  if (flush()) on_readable();
}

void Mover::restore() {
  step_ = Step::restoring;
  fresh_->stream->set_events(this);
  ready_owed_ = 0;
  if (asks_for_role()) {
    postgres::encode(unsent_, postgres::Query{role_question()});
    ++ready_owed_;
  }
  if (!settings_.empty()) {
    std::string sql = "SELECT ";
    for (const auto& setting : settings_) {
      if (sql.size() > 7) sql += ", ";
      sql += "pg_catalog.set_config(" + postgres::quote_literal(setting.name) + ", " +
             postgres::quote_literal(setting.value) + ", false)";
      // What others have prepared there was prepared behind another search_path, or DateStyle.
      fresh_->statements.on_reading_changed();
    }
    postgres::encode(unsent_, postgres::Query{sql});
    ++ready_owed_;
  }
  for (const auto& [name, body] : relay_.tracker().statements()) {
    // DEALLOCATE may have ended some behind the tracker's back; the unnamed one is in no catalogue.
    if (!name.empty() && std::find(statements_.begin(), statements_.end(), name) == statements_.end())
      continue;
    postgres::FrameWriter parse{unsent_, 'P'};
    parse.bytes(body);
    parse.finish();
  }
  postgres::encode(unsent_, postgres::Sync{});
  ++ready_owed_;
  error_seen_ = false;
  if (flush()) on_readable();
}

bool Mover::flush() {
  while (!unsent_.empty()) {
    const auto result = stream().write(Bytes{unsent_});
    if (result.status == net::IoStatus::would_block) return true;
    if (result.status != net::IoStatus::ok) {
      broke();
      return false;
    }
    unsent_.erase(unsent_.begin(), unsent_.begin() + static_cast<std::ptrdiff_t>(result.bytes));
  }
  return true;
}

void Mover::on_writable() {
  if (is_under_way()) flush();
}

void Mover::on_readable() {
  bool more = true;
  while (more && is_under_way()) {
    const auto step = step_;
    std::uint8_t chunk[4096];
    const auto result = stream().read(chunk);
    if (result.status == net::IoStatus::would_block) return;
    if (result.status != net::IoStatus::ok) return broke();
    input_.append({chunk, result.bytes});
    answer_bytes_ += result.bytes;
    if (answer_bytes_ > answers_bytes_max) return broke();
    more = result.more;
    while (true) {
      const auto message = postgres::decode_message(input_.unread(), limits::session_statements_bytes_max);
      if (!message) return broke();
      if (!*message) break;
      const auto taken = on_message((*message)->type, (*message)->body);
      // What was passed on to the client may have ended the session, and with it this move.
      if (!is_under_way()) return;
      if (!taken) return broke();
      input_.consume((*message)->frame_bytes());
    }
    if (ready_owed_ == 0 && input_.empty()) on_ready();
    if (step_ != step) return;  // the next step has read already
  }
}

Result<void> Mover::on_message(char type, Bytes body) {
  const auto asking = step_ == Step::asking;
  switch (type) {
    case '1':
    case '3':
    case 'n':
    case 'T': return {};
    case '2':
    case 'C':
      if (type == 'C' && asking) ++questions_answered_;
      return {};
    case 'D': return asking ? on_row(body) : on_role_row(body);
    case 'E': error_seen_ = true; return {};
    // What comes for the client between two requests is not ours to swallow.
    case 'A':
    case 'N':
      if (asking) forward_to_client(type, body);
      return {};
    case 'S': {
      const auto status = postgres::decode_parameter_status(body);
      if (!status) return status.error();
      auto& parameters = asking ? old_->parameters : fresh_->parameters;
      parameters.note(status->name, status->value);
      if (asking) forward_to_client(type, body);
      return {};
    }
    case 'Z': {
      const auto ready = postgres::decode_ready_for_query(body);
      if (!ready) return ready.error();
      if (ready_owed_ == 0 || ready->status != postgres::TransactionStatus::idle) break;
      --ready_owed_;
      return {};
    }
    default: break;
  }
  return Error{ErrorCode::peer_misbehaved, Hop::session, "move", "an unexpected message", {}, {}};
}

Result<void> Mover::on_row(Bytes body) {
  ByteReader reader{body};
  const auto columns = reader.u16();
  std::vector<std::string> row;
  for (unsigned i = 0; i < columns && reader.ok(); ++i) {
    const auto size = reader.i32();
    row.emplace_back(size < 0 ? std::string_view{} : as_text(reader.take(static_cast<std::size_t>(size))));
  }
  if (auto end = reader.finish("DataRow"); !end) return end;
  const Error wrong{ErrorCode::peer_misbehaved, Hop::session, "move", "a row of another shape", {}, {}};
  if (settings_.size() + statements_.size() >= rows_max) {
    too_many_ = true;
    return {};
  }
  if (questions_answered_ == 0 && row.size() == move_state_columns) {
    state_ = std::move(row);
  } else if (questions_answered_ == 1 && row.size() == 2) {
    settings_.push_back({std::move(row[0]), std::move(row[1])});
  } else if (questions_answered_ == 2 && row.size() == 1) {
    statements_.push_back(std::move(row[0]));
  } else {
    return wrong;
  }
  return {};
}

void Mover::on_ready() {
  if (step_ == Step::restoring) {
    if (error_seen_) return stay(move_reason::not_restorable);
    // A role may also come from ALTER ROLE … SET role, or from the client's start-up options.
    if (asks_for_role() && fresh_role_ != state_[move_role_column]) return stay(move_reason::set_role);
    return swap();
  }
  const auto reason = why_not();
  if (!reason.empty()) return stay(reason);
  restore();
}

std::string_view Mover::why_not() const {
  if (error_seen_ || state_.size() != move_state_columns) return move_reason::cannot_ask;
  if (too_many_) return move_reason::too_many_statements;
  for (std::size_t i = 0; i < std::size(move_obstacles); ++i) {
    if (state_[i] != "0") return move_obstacles[i];
  }
  if (!asks_for_role() && state_[move_role_column] != run_as_) return move_reason::set_role;
  if (state_[move_user_column] != old_->user) return move_reason::session_authorization;
  for (const auto& setting : settings_) {
    if (is_in_doubt(old_->parameters.map(), setting.value)) return move_reason::not_restorable;
  }
  const auto& known = relay_.tracker().statements();
  for (const auto& name : statements_) {
    // Those of transaction pooling are made again when they are needed.
    if (name.starts_with(postgres::statement_prefix)) continue;
    if (known.find(name) == known.end()) return move_reason::unknown_statement;
  }
  return {};
}

void Mover::swap() {
  loop_.cancel(deadline_);
  step_ = Step::over;
  const auto before = old_->parameters;
  pool_.on_move_done(*fresh_);
  pool_.discard(std::move(old_));
  fresh_->stream->set_events(nullptr);
  WipedBytes changed;
  for (const auto& [name, value] : fresh_->parameters.map()) {
    const auto old_value = before.map().find(name);
    if (name != "application_name" && (old_value == before.map().end() || old_value->second != value)) {
      postgres::encode(changed, postgres::ParameterStatus{name, value});
    }
  }
  // Before any bytes of the new server, which may end inside a message. Each of these calls may end the session.
  if (!changed.empty()) relay_.send_to_client(Bytes{changed});
  if (!given_up_) relay_.attach_upstream(std::move(fresh_), false);
  if (!given_up_) owner_.on_moved();
}

void Mover::hand_back(UpstreamPtr upstream) {
  if (upstream == nullptr || given_up_) return;
  upstream->stream->set_events(nullptr);
  relay_.attach_upstream(std::move(upstream), true);
}

void Mover::stay(std::string_view reason) {
  loop_.cancel(deadline_);
  const bool detached = is_under_way();
  // A connection on which nothing was restored is as good as new.
  const bool untouched = step_ != Step::restoring;
  step_ = Step::over;
  fresh_->stream->set_events(nullptr);
  if (untouched) {
    pool_.give_back(std::move(fresh_));
  } else {
    pool_.discard(std::move(fresh_));
  }
  if (detached) hand_back(std::move(old_));
  if (!given_up_) owner_.on_immovable(reason);
}

void Mover::broke() {
  loop_.cancel(deadline_);
  const bool old_is_whole = step_ == Step::restoring;
  step_ = Step::over;
  fresh_->stream->set_events(nullptr);
  old_->stream->set_events(nullptr);
  if (!old_is_whole) return owner_.on_move_broke();
  pool_.discard(std::move(fresh_), unsent_.empty());
  unsent_.clear();
  hand_back(std::move(old_));
  if (given_up_) return;
  owner_.on_move_failed(
      Error{ErrorCode::retry_later, Hop::session, "move", "the new connection ended", {}, {}});
}

void Mover::forward_to_client(char type, Bytes body) {
  WipedBytes frame;
  postgres::FrameWriter writer{frame, type};
  writer.bytes(body);
  writer.finish();
  relay_.send_to_client(Bytes{frame});
}

}  // namespace sallyport::broker
