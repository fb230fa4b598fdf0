// What outlives a request in the session that the tracker follows: statements, and state that no catalogue shows.
#include "wire/postgres/session_tracker.h"

#include <algorithm>
#include <cstring>
#include <utility>

namespace sallyport::postgres {

namespace {

/// A setting's name, "session " in front of it and what ends it.
constexpr std::size_t custom_name_bytes_max = 160;

/// SET [SESSION] a.b = …: the name, not the value, has the dot. What follows an UPDATE is its own SET.
/// Linear, as a client chooses the text.
bool sets_custom_name(std::string_view lower) {
  const auto update = lower.find("update");
  for (auto at = lower.find("set "); at != std::string_view::npos && at <= update;
       at = lower.find("set ", at + 4)) {
    auto name = lower.substr(at + 4, custom_name_bytes_max);
    if (name.starts_with("session ")) name.remove_prefix(8);
    if (name.substr(0, name.find_first_of(" =;")).find('.') != std::string_view::npos) return true;
  }
  return false;
}

}  // namespace

std::string_view SessionTracker::text_up_to_zero(Bytes bytes) {
  const auto text = as_text(bytes);
  return text.substr(0, text.find('\0'));
}

void SessionTracker::on_command_complete(std::string_view tag) {
  if (tag == "DISCARD ALL" || tag == "DEALLOCATE ALL") {
    statements_.clear();
    statement_bytes_ = 0;
    // Unless what set it may be a statement behind this one.
    const bool last = std::count_if(queue_.begin() + static_cast<std::ptrdiff_t>(queue_head_), queue_.end(),
                                    [](const Expected& one) {
                                      return one.kind == Kind::query || one.kind == Kind::parse;
                                    }) <= 1;
    if (tag == "DISCARD ALL" && hidden_state_ == "custom_setting" && last) hidden_state_ = {};
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
  // What DISCARD ALL does not undo comes first, in case a text does several.
  if (contains("setseed")) {
    hidden_state_ = "random_seed";
  } else if (contains("currval") || contains("lastval")) {
    hidden_state_ = "sequence_value";
  } else if (contains("set_config") || sets_custom_name({lower, text.size()})) {
    hidden_state_ = "custom_setting";
  }
}

void SessionTracker::forget_statement(std::string_view name) {
  const auto known = statements_.find(name);
  if (known == statements_.end()) return;
  statement_bytes_ -= known->second.size();
  statements_.erase(known);
}

}  // namespace sallyport::postgres
