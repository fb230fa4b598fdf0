// What outlives a request in the session that the tracker follows: statements, and state that no catalogue shows.
#include "wire/postgres/session_tracker.h"

#include <algorithm>
#include <cstring>
#include <utility>

namespace sallyport::postgres {

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

void SessionTracker::forget_statement(std::string_view name) {
  const auto known = statements_.find(name);
  if (known == statements_.end()) return;
  statement_bytes_ -= known->second.size();
  statements_.erase(known);
}

}  // namespace sallyport::postgres
