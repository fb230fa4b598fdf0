// What outlives a request in the session that the tracker follows: statements, and state that no catalogue shows.
#include "wire/postgres/session_tracker.h"

#include <algorithm>
#include <utility>

namespace sallyport::postgres {

Face SessionTracker::on_parse_complete() {
  while (queue_head_ < queue_.size()) {
    auto& front = queue_[queue_head_];
    if (front.kind == Kind::query || front.kind == Kind::sync || front.kind == Kind::function_call) break;
    if (front.kind == Kind::parse) {
      const auto face = front.face;
      queued_bytes_ -= front.body.size();
      if (!front.body.empty()) remember_statement(std::exchange(front.body, {}));
      drop_front(true);
      // What follows the statement still waits for its Sync.
      if (queue_head_ == queue_.size()) expect(Kind::extended);
      return face;
    }
    drop_front();
  }
  return Face::as_it_is;
}

Face SessionTracker::on_close_complete() {
  while (queue_head_ < queue_.size()) {
    auto& front = queue_[queue_head_];
    if (front.kind == Kind::query || front.kind == Kind::sync || front.kind == Kind::function_call) break;
    if (front.kind == Kind::close) {
      const auto face = front.face;
      if (!front.noted) forget_statement(as_text(front.body));
      drop_front(true);
      if (queue_head_ == queue_.size()) expect(Kind::extended);
      return face;
    }
    drop_front();
  }
  return Face::as_it_is;
}

void SessionTracker::on_command_complete(std::string_view tag) {
  if (tag == "LOAD") state_.add(StateReason::loaded_library);
  if (tag != "DISCARD ALL" && tag != "DEALLOCATE ALL" && tag != "DEALLOCATE") return;
  // Unless what set it may be a statement behind this one, whose own Parse would have left already.
  const bool is_query = queue_head_ < queue_.size() && queue_[queue_head_].kind == Kind::query;
  const bool last = texts_ == (is_query ? 1U : 0U);
  if (notes_ != nullptr) notes_->on_ended_in_sql(tag, last);
  if (tag == "DEALLOCATE") return;
  statements_.clear();
  statement_bytes_ = 0;
  if (tag == "DISCARD ALL" && last) {
    state_.discard_all();
    words_.found().discard_all();
  }
}

void SessionTracker::remember_statement(std::vector<std::uint8_t> body) {
  std::string name{text_up_to_zero(body)};
  auto& kept = statements_[std::move(name)];
  statement_bytes_ += body.size();
  statement_bytes_ -= kept.size();
  kept = std::move(body);
  if (statement_bytes_ > limits::session_statements_bytes_max) {
    state_.add(StateReason::too_many_statements);
    statements_.clear();
    statement_bytes_ = 0;
  }
}

// Everything that a catalogue shows is asked of the server instead.
void SessionTracker::on_client_piece(Bytes piece) { words_.look_at(piece); }

// The worst first: what not even DISCARD ALL would take back.
std::string_view SessionTracker::hidden_state() const {
  if (const auto lasting = lasting_state(); !lasting.empty()) return name_of(lasting.first());
  auto all = state_;
  all.add(words_.found());
  return all.empty() ? std::string_view{} : name_of(all.first());
}

StateReasons SessionTracker::lasting_state() const {
  auto all = state_;
  all.add(words_.found());
  all.discard_all();
  return all;
}

void SessionTracker::forget_statement(std::string_view name) {
  const auto known = statements_.find(name);
  if (known == statements_.end()) return;
  statement_bytes_ -= known->second.size();
  statements_.erase(known);
}

}  // namespace sallyport::postgres
