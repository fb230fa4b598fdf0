#include "wire/postgres/session_tracker.h"

#include <algorithm>
#include <limits>
#include <utility>

namespace sallyport::postgres {

namespace {

/// Answered requests at the queue's front before it is closed up.
constexpr std::size_t compact_at = 64;
/// Room that a queue keeps when it runs empty.
constexpr std::size_t kept_entries = 1024;
/// A Close with a name that a statement may have; longer ones are not looked into.
constexpr std::uint32_t close_bytes_max = 8192;
/// A call of a function that leaves state: those with longer arguments only read or write.
constexpr std::uint32_t call_bytes_max = 8192;

}  // namespace

bool SessionTracker::wants_client_body(char type, std::uint32_t body_bytes) const {
  switch (type) {
    case 'P': return body_bytes <= limits::session_statements_bytes_max;
    case 'C': return body_bytes <= close_bytes_max;
    case 'F': return body_bytes >= 4 && body_bytes <= call_bytes_max;
    default: return false;
  }
}

void SessionTracker::on_client_frame(char type) {
  switch (type) {
    case 'Q':
      words_.start();
      expect(Kind::query);
      break;
    case 'F': expect(Kind::function_call); break;
    case 'S':
      if (copy_in_) {
        syncs_in_copy_ = true;
        break;
      }
      skipping_to_sync_ = false;
      expect(Kind::sync);
      break;
    case 'P':  // too large to keep
      state_.add(StateReason::statement_too_large);
      words_.start(true);
      expect(Kind::parse);
      break;
    case 'C': expect(Kind::close, {0}); break;  // too long a name for any statement
    case 'B':
    case 'D':
    case 'E': expect_extended(); break;
    case 'd':
      // Drivers send data before they have seen that the server copies.
      if (!copy_in_) expect_copy(false);
      break;
    case 'c':
    case 'f':
      if (!std::exchange(copy_in_, false)) expect_copy(true);
      break;
    default: break;  // Flush, and what the server will refuse
  }
}

void SessionTracker::on_client_body(char type, Bytes body) {
  switch (type) {
    case 'P': {
      const auto name = text_up_to_zero(body);
      if (name.size() < body.size()) {
        words_.start();
        on_client_piece(body.subspan(name.size() + 1));
      }
      expect(Kind::parse, {body.begin(), body.end()});
      break;
    }
    case 'C':
      if (!body.empty() && body[0] == 'S') {
        const auto name = text_up_to_zero(body.subspan(1));
        expect(Kind::close, {name.begin(), name.end()});
      } else {
        expect(Kind::close, {0});  // a portal: no statement has a zero byte in its name
      }
      break;
    case 'F': {
      ByteReader reader{body};
      if (leaves_state(reader.u32())) state_.add(StateReason::function_call);
      return on_client_frame(type);
    }
    default: on_client_frame(type);
  }
}

void SessionTracker::expect(Kind kind, std::vector<std::uint8_t> body) {
  if (skipping_to_sync_ || uncertain_) return;
  if (copy_in_) return lose_count();  // it breaks the COPY, unless that has failed meanwhile
  if (queued_bytes_ + body.size() > limits::session_statements_bytes_max) {
    state_.add(StateReason::too_many_statements);
    body.clear();
  }
  queued_bytes_ += body.size();
  queue_.push_back({kind, 0, std::move(body)});
  queue_.back().segment = segment_;
  if (has_text(kind)) ++texts_;
  if (kind == Kind::query || kind == Kind::sync || kind == Kind::function_call) ++segment_;
}

bool SessionTracker::expect_noted(char type, Face face) {
  if (skipping_to_sync_ || uncertain_) return false;
  if (type == 'Q') words_.start();
  expect(type == 'P' ? Kind::parse : type == 'Q' ? Kind::query : Kind::close);
  if (uncertain_) return false;
  queue_.back().noted = true;
  queue_.back().face = face;
  return true;
}

// A run of Bind, Describe, Execute is one entry that counts its answers: so an error is known to be the
// run's, or that of the Query behind it.
void SessionTracker::expect_extended() {
  if (queue_head_ == queue_.size() || queue_.back().kind != Kind::extended || copy_in_)
    expect(Kind::extended);
  if (queue_head_ < queue_.size()) ++queue_.back().open;
}

// Where nothing is outstanding it is ignored for certain.
void SessionTracker::expect_copy(bool ends) {
  if (queue_head_ == queue_.size()) return;
  if (queue_.back().kind != Kind::copy) expect(Kind::copy);
  auto& count = queue_.back().open;
  if (ends && count < std::numeric_limits<unsigned>::max()) ++count;
}

// Nothing is remembered any more that could only grow: replies can no longer be told apart.
void SessionTracker::lose_count() {
  uncertain_ = true;
  for (; queue_head_ < queue_.size(); ++queue_head_) {
    if (queue_[queue_head_].noted) notes_->on_noted_dropped();
  }
  queue_ = {};
  queue_head_ = 0;
  queued_bytes_ = texts_ = 0;
}

bool SessionTracker::awaits_client() const {
  if (copy_in_ || uncertain_) return true;
  for (auto i = queue_.size(); i > queue_head_; --i) {
    switch (queue_[i - 1].kind) {
      case Kind::copy: continue;
      case Kind::extended:
      case Kind::parse:
      case Kind::close: return true;
      default: return false;
    }
  }
  return queue_head_ < queue_.size();
}

bool SessionTracker::wants_server_body(char type, std::uint32_t body_bytes) {
  return (type == 'Z' && body_bytes == 1) || (type == 'C' && body_bytes <= 64);
}

Face SessionTracker::on_server_frame(char type) {
  switch (type) {
    case '1': return on_parse_complete();
    case '3': return on_close_complete();
    case 'E': on_error(); break;
    case 'G': on_copy_in(); break;
    case 'W': lose_count(); break;  // CopyBoth belongs to replication
    case '2':
    case 'C':
    case 'I':
    case 'T':
    case 'n':
    case 's': on_extended_answer(); break;
    default: break;
  }
  return Face::as_it_is;
}

void SessionTracker::on_server_body(char type, Bytes body) {
  if (type == 'Z') {
    on_ready_for_query(static_cast<char>(body[0]));
  } else if (type == 'C') {
    on_command_complete(text_up_to_zero(body));
    on_extended_answer();
  }
}

void SessionTracker::on_ready_for_query(char status) {
  status_ = status == 'I'   ? TransactionStatus::idle
            : status == 'T' ? TransactionStatus::in_transaction
                            : TransactionStatus::failed;
  if (status_ == TransactionStatus::idle) ++transactions_;
  copy_in_ = false;
  syncs_in_copy_ = false;
  if (queue_head_ == queue_.size()) lose_count();  // nobody asked
  bool answered = false;
  while (queue_head_ < queue_.size()) {
    const auto kind = queue_[queue_head_].kind;
    // Data and CopyDone behind what was no COPY, or a failed one: the server ignores them.
    if (answered && kind != Kind::copy) return;
    if (kind == Kind::query) forget_statement({});  // a simple query ends the unnamed statement
    answered = answered || kind == Kind::query || kind == Kind::sync || kind == Kind::function_call;
    drop_front(kind == Kind::query && queue_[queue_head_].open == 0);
  }
}

// The entry that the server is at: those that only wait for their Sync are over.
std::size_t SessionTracker::current() const {
  auto at = queue_head_;
  while (at < queue_.size() &&
         ((queue_[at].kind == Kind::extended && queue_[at].open == 0) || queue_[at].kind == Kind::copy)) {
    ++at;
  }
  return at;
}

void SessionTracker::on_error() {
  if (syncs_in_copy_) lose_count();
  copy_in_ = false;
  syncs_in_copy_ = false;
  if (queue_head_ == queue_.size()) return;  // a FATAL out of the blue; the connection ends
  const auto at = current();
  const auto failed = at < queue_.size() ? queue_[at].kind : Kind::extended;
  if (failed == Kind::query) queue_[at].open = 1;
  if (failed == Kind::query || failed == Kind::function_call || failed == Kind::sync) return;
  // In the extended protocol the server now discards all messages up to a Sync.
  while (queue_head_ < queue_.size() && queue_[queue_head_].kind != Kind::sync) drop_front();
  skipping_to_sync_ = queue_head_ == queue_.size();
}

void SessionTracker::on_extended_answer() {
  const auto at = current();
  if (at == queue_.size() || queue_[at].kind != Kind::extended) return;  // a simple query's
  // Ignored by the server, or answered. Counted: drop_front() may move all that is left to the front.
  for (auto over = at - queue_head_; over > 0; --over) drop_front();
  auto& front = queue_[queue_head_];
  if (--front.open == 0 && queue_head_ + 1 < queue_.size()) drop_front();
}

void SessionTracker::on_copy_in() {
  copy_in_ = true;
  const auto copying = current();
  if (copying == queue_.size()) return;
  if (queue_[copying].open > 1) return lose_count();
  // Of what is already on its way behind the COPY the server takes the data up to its end and ignores Syncs;
  // anything else breaks the COPY.
  auto rest = copying + 1;
  for (; rest < queue_.size() && copy_in_; ++rest) {
    auto& next = queue_[rest];
    if (next.kind == Kind::sync) {
      syncs_in_copy_ = true;
    } else if (next.kind != Kind::copy) {
      return lose_count();
    } else if (next.open > 0) {
      copy_in_ = false;
      if (--next.open > 0) break;  // of the query's next COPY
    }
  }
  // The front closes up with the rest, which may be long.
  const auto begin = queue_.begin();
  std::move_backward(begin + static_cast<std::ptrdiff_t>(queue_head_),
                     begin + static_cast<std::ptrdiff_t>(copying + 1),
                     begin + static_cast<std::ptrdiff_t>(rest));
  queue_head_ += rest - copying - 1;
}

void SessionTracker::drop_front(bool done) {
  if (queue_[queue_head_].noted) done ? notes_->on_noted_done() : notes_->on_noted_dropped();
  queued_bytes_ -= queue_[queue_head_].body.size();
  queue_[queue_head_].body = {};
  if (has_text(queue_[queue_head_].kind)) --texts_;
  if (++queue_head_ == queue_.size()) {
    queue_.clear();
    if (queue_.capacity() > kept_entries) queue_ = {};
    queue_head_ = 0;
  } else if (queue_head_ >= compact_at && queue_head_ > queue_.size() / 2) {
    // A pipeline that never runs dry must not keep all that it ever held.
    queue_.erase(queue_.begin(), queue_.begin() + static_cast<std::ptrdiff_t>(queue_head_));
    queue_head_ = 0;
  }
}

}  // namespace sallyport::postgres
