#include "wire/postgres/session_tracker.h"

#include <cctype>
#include <cstring>

namespace sallyport::postgres {

namespace {

std::string_view text_up_to_zero(Bytes bytes) {
  const auto text = as_text(bytes);
  return text.substr(0, text.find('\0'));
}

}  // namespace

bool SessionTracker::wants_client_body(char type, std::uint32_t body_bytes) const {
  switch (type) {
    case 'P': return body_bytes <= limits::session_statements_bytes_max;
    case 'C': return body_bytes <= inspected_bytes_max;
    case 'Q': return body_bytes <= inspected_bytes_max && hidden_state_.empty();
    default: return false;
  }
}

void SessionTracker::on_client_frame(char type) {
  switch (type) {
    case 'Q': expect(Kind::query); break;
    case 'F': expect(Kind::function_call); break;
    case 'S':
      if (copy_in_) break;  // the server reads and ignores it
      skipping_to_sync_ = false;
      expect(Kind::sync);
      break;
    case 'P':  // too large to keep
      hidden_state_ = "statement_too_large";
      expect(Kind::parse);
      break;
    case 'C': expect(Kind::close); break;
    case 'B':
    case 'D':
    case 'E':
    case 'H': expect(Kind::extended); break;
    case 'c':
    case 'f':
      if (!copy_in_ && !nothing_outstanding()) uncertain_ = true;  // ended before we saw it begin
      copy_in_ = false;
      break;
    default: break;  // CopyData, and what the server will refuse
  }
}

void SessionTracker::on_client_body(char type, Bytes body) {
  switch (type) {
    case 'Q':
      inspect(text_up_to_zero(body));
      expect(Kind::query);
      break;
    case 'P': {
      const auto name = text_up_to_zero(body);
      if (name.size() < body.size()) inspect(text_up_to_zero(body.subspan(name.size() + 1)));
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
    default: on_client_frame(type);
  }
}

void SessionTracker::expect(Kind kind, std::vector<std::uint8_t> body) {
  if (skipping_to_sync_) return;
  // A run of Bind, Describe, Execute counts once: only its being there matters.
  if (kind == Kind::extended && queue_head_ < queue_.size() && queue_.back().kind == Kind::extended) return;
  queue_.push_back({kind, std::move(body)});
}

bool SessionTracker::wants_server_body(char type, std::uint32_t body_bytes) {
  return (type == 'Z' && body_bytes == 1) || (type == 'C' && body_bytes <= 64);
}

void SessionTracker::on_server_frame(char type) {
  switch (type) {
    case '1': on_parse_complete(); break;
    case '3': on_close_complete(); break;
    case 'E': on_error(); break;
    case 'G': on_copy_in(); break;
    case 'W': uncertain_ = true; break;  // CopyBoth belongs to replication
    default: break;
  }
}

void SessionTracker::on_server_body(char type, Bytes body) {
  if (type == 'Z') {
    on_ready_for_query(static_cast<char>(body[0]));
  } else if (type == 'C') {
    on_command_complete(text_up_to_zero(body));
  }
}

void SessionTracker::on_ready_for_query(char status) {
  status_ = status == 'I'   ? TransactionStatus::idle
            : status == 'T' ? TransactionStatus::in_transaction
                            : TransactionStatus::failed;
  if (status_ == TransactionStatus::idle) ++transactions_;
  copy_in_ = false;
  while (queue_head_ < queue_.size()) {
    const auto kind = queue_[queue_head_].kind;
    drop_front();
    if (kind == Kind::query || kind == Kind::sync || kind == Kind::function_call) return;
  }
}

void SessionTracker::on_error() {
  copy_in_ = false;
  if (queue_head_ == queue_.size()) return;  // a FATAL out of the blue; the connection ends
  const auto front = queue_[queue_head_].kind;
  if (front == Kind::query || front == Kind::function_call || front == Kind::sync) return;
  // In the extended protocol the server now discards all messages up to a Sync.
  while (queue_head_ < queue_.size() && queue_[queue_head_].kind != Kind::sync) drop_front();
  skipping_to_sync_ = queue_head_ == queue_.size();
}

void SessionTracker::on_parse_complete() {
  while (queue_head_ < queue_.size()) {
    auto& front = queue_[queue_head_];
    if (front.kind == Kind::query || front.kind == Kind::sync || front.kind == Kind::function_call) return;
    if (front.kind == Kind::parse) {
      if (!front.body.empty()) remember_statement(std::move(front.body));
      drop_front();
      // What follows the statement still waits for its Sync.
      if (queue_head_ == queue_.size()) expect(Kind::extended);
      return;
    }
    drop_front();
  }
}

void SessionTracker::on_close_complete() {
  while (queue_head_ < queue_.size()) {
    auto& front = queue_[queue_head_];
    if (front.kind == Kind::query || front.kind == Kind::sync || front.kind == Kind::function_call) return;
    if (front.kind == Kind::close) {
      const auto known = statements_.find(as_text(front.body));
      if (known != statements_.end()) {
        statement_bytes_ -= known->second.size();
        statements_.erase(known);
      }
      drop_front();
      if (queue_head_ == queue_.size()) expect(Kind::extended);
      return;
    }
    drop_front();
  }
}

void SessionTracker::on_copy_in() {
  copy_in_ = true;
  // Syncs already on their way will be read and ignored; anything else behind breaks the COPY.
  std::vector<Expected> kept;
  for (auto i = queue_head_; i < queue_.size(); ++i) {
    if (queue_[i].kind == Kind::sync) continue;
    if (i > queue_head_ && queue_[i].kind != Kind::extended) uncertain_ = true;
    kept.push_back(std::move(queue_[i]));
  }
  queue_ = std::move(kept);
  queue_head_ = 0;
}

void SessionTracker::on_command_complete(std::string_view tag) {
  if (tag == "DISCARD ALL" || tag == "DEALLOCATE ALL") {
    statements_.clear();
    statement_bytes_ = 0;
    if (tag == "DISCARD ALL" && hidden_state_ == "custom_setting") hidden_state_ = {};
  } else if (tag == "LOAD") {
    hidden_state_ = "loaded_library";
  }
}

void SessionTracker::remember_statement(std::vector<std::uint8_t> body) {
  std::string name{text_up_to_zero(body)};
  auto& kept = statements_[std::move(name)];
  statement_bytes_ += body.size();
  statement_bytes_ -= kept.size();
  kept = std::move(body);
  if (statement_bytes_ > limits::session_statements_bytes_max) {
    hidden_state_ = "too_many_statements";
    statements_.clear();
    statement_bytes_ = 0;
  }
}

// Best effort, on words: what set_config() and SET do to names that no catalogue lists, and what
// sequences remember for the session. Everything that a catalogue shows is asked of the server instead.
void SessionTracker::inspect(std::string_view text) {
  if (!hidden_state_.empty() || text.size() > inspected_bytes_max) return;
  char lower[inspected_bytes_max];
  for (std::size_t i = 0; i < text.size(); ++i) {
    const auto c = text[i];
    lower[i] = c >= 'A' && c <= 'Z' ? static_cast<char>(c + ('a' - 'A')) : c;
  }
  const auto contains = [&](std::string_view word) {
    return memmem(lower, text.size(), word.data(), word.size()) != nullptr;
  };
  if (contains("set_config")) {
    hidden_state_ = "custom_setting";
  } else if (contains("currval") || contains("lastval")) {
    hidden_state_ = "sequence_value";
  } else if (contains("setseed")) {
    hidden_state_ = "random_seed";
  } else if (const std::string_view all{lower, text.size()}; all.find("set ") != std::string_view::npos) {
    // SET [SESSION|LOCAL] a.b = …: the name, not the value, has the dot.
    for (auto at = all.find("set "); at != std::string_view::npos; at = all.find("set ", at + 1)) {
      auto rest = all.substr(at + 4);
      if (rest.starts_with("session ")) rest.remove_prefix(8);
      const auto name_end = rest.find_first_of(" =;");
      const auto name = rest.substr(0, name_end);
      const bool is_set_clause = at > 0 && all.substr(0, at).find("update") != std::string_view::npos;
      if (!is_set_clause && name.find('.') != std::string_view::npos) hidden_state_ = "custom_setting";
    }
  }
}

void SessionTracker::drop_front() {
  if (++queue_head_ == queue_.size()) {
    queue_.clear();
    queue_head_ = 0;
  }
}

}  // namespace sallyport::postgres
