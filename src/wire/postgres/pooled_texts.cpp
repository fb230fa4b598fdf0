// What the texts of a client's statements say: to whoever is given the connection next, and to those who share what is
// prepared on it; and simple queries, which are only text.
#include "base/limits.h"
#include "wire/postgres/database_words.h"
#include "wire/postgres/pooled_requests.h"
#include "wire/postgres/refused_state.h"
#include "wire/postgres/session_messages.h"

#include <algorithm>
#include <optional>
#include <string>

namespace sallyport::postgres {

// What the connections of others have to do with this statement.
void PooledRequests::look_at_words(std::string_view sql, Altering altering) {
  note_database_needed(needed_alone_, sql);
  if (alters_defaults(sql)) altering_ = std::max(altering_, altering);
}

// Names in what is prepared behind it mean something else.
void PooledRequests::on_reading_named() {
  reading_changes_ = true;
  upstream_->on_reading_changed();
}

bool PooledRequests::look_for_reading() {
  const bool named = scanner_.take_reading_changed();
  if (named) on_reading_named();
  return named;
}

// Of a simple query, which is executed as it passes.
void PooledRequests::look_at_piece() {
  look_for_reading();
  redefines_ = scanner_.take_defines() || redefines_;
}

bool PooledRequests::reads_refused_state(Bytes sql) {
  const auto before = std::exchange(scanner_.found(), {});
  scanner_.start(*reported_, backslashes_);
  scanner_.look_at(sql);
  leaves_ = scanner_.found();
  scanner_.found().add(before);
  if (!settings_.refuses_state || scanner_.found() == before) return false;
  refused_ = leaves_;
  refused_.remove(before);
  scanner_.found() = before;
  return true;
}

void PooledRequests::on_executed(const TextFacts& facts) {
  if (facts.changes_reading) on_reading_named();
  redefines_ = redefines_ || facts.defines;
  // Also if a DISCARD ALL has come between its Parse and this.
  scanner_.found().add(facts.leaves);
}

bool PooledRequests::reads_apart() const { return reading_changes_ || redefines_; }

bool PooledRequests::reads_value(std::string_view name) const {
  if (name.empty()) return prepared_.unnamed != 0 && prepared_.unnamed_facts.reads_value;
  const auto known = prepared_.named.find(name);
  return known != prepared_.named.end() && known->second->facts.reads_value;
}

// What a sequence has given to the session it has given on another connection: here it would be somebody else's.
void PooledRequests::execute_of(std::string_view name) {
  if (!guards_now() || !reads_value(name)) {
    knows_values_ = true;
    return;
  }
  encode(before_frame(), Parse{{}, lost_value(), {}});
  upstream_->unnamed = 0;
  note('P', Face::hidden, {.unnamed_again = true});
}

// Of a function that needs no SQL.
void PooledRequests::on_function_call(bool whole, Bytes body) {
  const auto function = body.size() >= 4 ? ByteReader{body}.u32() : 0;
  if (whole && guards_now() && reads_sequence(function) && !tracker_.passes_over()) {
    encode(before_frame(), Query{lost_value()});
    replace_frame(body.size());
    upstream_->unnamed = 0;  // a simple query ends it
    return tracker_.on_client_frame('Q');
  }
  if (leaves_state(function)) scanner_.found().add(StateReason::function_call);
  knows_values_ = true;
  tracker_.on_client_frame('F');
}

void PooledRequests::on_query(std::uint32_t body_bytes, Bytes body) {
  if (tracker_.passes_over()) return tracker_.on_client_frame('Q');
  prepared_.unnamed = upstream_->unnamed = 0;
  if (body.size() < body_bytes) {
    tracker_.on_client_frame('Q');
    scanner_.start(*reported_, backslashes_);
    scanner_.look_at(body);
    look_at_piece();
    lexing_ = knows_values_ = true;
    return;
  }
  const auto sql = text_up_to_zero(body);
  look_at_words(sql, Altering::once);
  std::optional<std::string> replaced;
  Op op;
  const bool refused = reads_refused_state(body);
  look_at_piece();
  if (refused) {
    replaced = refusal_of(refused_.first());
  } else if (guards_now() && scanner_.reads_value()) {
    replaced = lost_value();
  } else if (may_be_deallocate(sql)) {
    replaced = renamed_deallocate(sql, op);
    ender_runs_ = ends_statements(sql);
  }
  if (!replaced) knows_values_ = knows_values_ || scanner_.may_draw();
  if (replaced) {
    encode(before_frame(), Query{*replaced});
    replace_frame(body.size());
  }
  if (!op.name) return tracker_.on_client_frame('Q');
  note('Q', Face::as_it_is, std::move(op));
}

// A Parse that is too long to be kept: the server alone has it, under the client's own name.
void PooledRequests::on_large(char type, Bytes body) {
  scanner_.found().add(StateReason::statement_too_large);
  pass(type);
  const auto name = text_up_to_zero(body);
  // A session that keeps its connection finds it there.
  if (name.empty()) prepared_.unnamed = upstream_->unnamed = registry_.next_stamp();
}

}  // namespace sallyport::postgres
