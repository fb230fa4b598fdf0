// Statements of a client on a borrowed connection: Parse, Bind, Describe, Close, and SQL's DEALLOCATE.
#include "base/limits.h"
#include "wire/postgres/database_words.h"
#include "wire/postgres/pooled_requests.h"
#include "wire/postgres/refused_state.h"
#include "wire/postgres/session_messages.h"

#include <algorithm>
#include <optional>
#include <utility>

namespace sallyport::postgres {

namespace {

constexpr std::string_view no_statement = "sallyport_none";
constexpr std::size_t bound_max = 16;

std::string_view text_up_to_zero(Bytes bytes) {
  const auto text = as_text(bytes);
  return text.substr(0, text.find('\0'));
}

void write_frame(WipedBytes& out, char type, std::string_view first, Bytes rest) {
  FrameWriter frame{out, type};
  frame.c_string(first);
  frame.bytes(rest);
  frame.finish();
}

}  // namespace

void PooledRequests::close_hidden(StatementPtr statement) {
  upstream_->remove(*statement);
  encode(before_frame(), Close{Named::statement, statement->name});
  note('C', Face::hidden, {.statement = std::move(statement), .had = true});
}

void PooledRequests::make_room(const Statement& statement) {
  const auto is_full = [&] {
    return upstream_->size() >= settings_.statements_max ||
           upstream_->bytes() + statement.body.size() > limits::upstream_statements_bytes_max;
  };
  while (upstream_->size() > 0 && is_full()) close_hidden(upstream_->oldest());
}

void PooledRequests::ensure(const StatementPtr& statement) {
  if (upstream_->has(*statement)) return;
  make_room(*statement);
  write_frame(before_frame(), 'P', statement->name, Bytes{statement->body});
  upstream_->add(statement);
  note('P', Face::hidden, {.statement = statement});
}

// What the connections of others have to do with this statement.
void PooledRequests::look_at_words(std::string_view sql, Altering altering) {
  note_database_needed(needed_alone_, sql);
  if (alters_defaults(sql)) altering_ = std::max(altering_, altering);
}

// Names in what is prepared behind it mean something else.
void PooledRequests::on_path_named() {
  path_changes_ = true;
  upstream_->on_path_changed();
}

bool PooledRequests::look_for_path() {
  const bool named = scanner_.take_path_named();
  if (named) on_path_named();
  return named;
}

bool PooledRequests::reads_refused_state(Bytes sql) {
  const auto before = scanner_.found();
  scanner_.start(*reported_, backslashes_);
  scanner_.look_at(sql);
  if (!settings_.refuses_state || scanner_.found() == before) return false;
  refused_ = scanner_.found();
  refused_.remove(before);
  scanner_.found() = before;
  return true;
}

void PooledRequests::on_parse(Bytes body) {
  const auto name = text_up_to_zero(body);
  if (tracker_.passes_over() || name.size() == body.size()) return pass('P');
  const auto rest = body.subspan(name.size() + 1);
  const bool refused = reads_refused_state(rest);
  const bool names_path = look_for_path();
  if (refused) {
    postgres::encode(before_frame(), Parse{{}, refusal_of(refused_.first()), {}});
    replace_frame(body.size());
    return pass('P');
  }
  look_at_words(text_up_to_zero(rest), name.empty() ? Altering::once : Altering::kept);
  const TextFacts facts{names_path, scanner_.reads_value()};
  name.empty() ? on_parse_unnamed(rest, facts) : on_parse_named(name, rest, facts);
}

void PooledRequests::on_parse_unnamed(Bytes rest, TextFacts facts) {
  const auto sql = text_up_to_zero(rest);
  prepared_.unnamed_body.assign(rest.begin(), rest.end());
  prepared_.unnamed = registry_.next_stamp();
  prepared_.unnamed_facts = facts;
  upstream_->unnamed = prepared_.unnamed;
  Op op;
  const auto renamed = may_be_deallocate(sql) ? renamed_deallocate(sql, op) : std::nullopt;
  if (!renamed) return note('P', Face::as_it_is, {.unnamed = true});
  prepared_.unnamed_body.assign(renamed->begin(), renamed->end());
  const auto behind = rest.subspan(sql.size());
  prepared_.unnamed_body.insert(prepared_.unnamed_body.end(), behind.begin(), behind.end());
  write_frame(before_frame(), 'P', {}, Bytes{prepared_.unnamed_body});
  replace_frame(rest.size() + 1);
  op.unnamed = op.by_protocol = true;
  note('P', Face::as_it_is, std::move(op));
}

void PooledRequests::on_parse_named(std::string_view name, Bytes rest, TextFacts facts) {
  const auto body_bytes = name.size() + 1 + rest.size();
  if (const auto known = prepared_.named.find(name); known != prepared_.named.end()) {
    // The server says that it exists.
    const auto statement = known->second;
    ensure(statement);
    write_frame(before_frame(), 'P', statement->name, rest);
    replace_frame(body_bytes);
    return pass('P');
  }
  const auto bytes = prepared_.named_bytes + body_bytes + bytes_beside_name;
  if (name.size() > name_bytes_max || bytes > limits::session_statements_bytes_max) {
    scanner_.found().add(StateReason::statement_too_large);
    return pass('P');
  }
  auto statement = registry_.intern(rest, facts);
  bool there = upstream_->has(*statement);
  if (there && tracker_.status() == TransactionStatus::failed) {
    // A Close would succeed where this Parse does not; but by then the transaction may be over.
    close_hidden(statement);
    there = false;
  } else if (there && upstream_->is_of_another_path(*statement)) {
    // Its names meant something else. Whoever has it keeps it.
    statement = registry_.make_own(rest, facts);
    there = false;
  }
  if (!there) make_room(*statement);
  auto& out = before_frame();
  if (there) {
    encode(out, Close{Named::statement, no_statement});
  } else {
    write_frame(out, 'P', statement->name, rest);
    upstream_->add(statement);
  }
  replace_frame(body_bytes);
  auto op = renamed(name, statement);
  if (there) return note('C', Face::parse_complete, std::move(op));
  op.statement = statement;
  note('P', Face::as_it_is, std::move(op));
}

// The name that the server knows the client's statement by, which it has from now on. A name that is none of the
// client's is passed on, as it may be of SQL's PREPARE; but not one of those that others share.
std::string_view PooledRequests::upstream_name(std::string_view name) {
  bound_ender_ = false;
  if (name.empty()) {
    if (prepared_.unnamed == 0) return no_statement;  // what the connection has is another client's
    bound_ender_ = ends_statements(as_text(Bytes{prepared_.unnamed_body}));
    if (prepared_.unnamed_facts.names_path) on_path_named();
    if (upstream_->unnamed == prepared_.unnamed) return name;
    write_frame(before_frame(), 'P', {}, Bytes{prepared_.unnamed_body});
    upstream_->unnamed = prepared_.unnamed;
    note('P', Face::hidden, {.unnamed_again = true});
    return name;
  }
  const auto known = prepared_.named.find(name);
  if (known == prepared_.named.end()) return name.starts_with(statement_prefix) ? no_statement : name;
  const auto& statement = known->second;
  bound_ender_ = ends_statements(as_text(Bytes{statement->body}));
  if (statement->facts.names_path) on_path_named();
  ensure(statement);
  if (bound_.empty() || bound_.back() != statement) {
    if (bound_.size() == bound_max) bound_.erase(bound_.begin());
    bound_.push_back(statement);
  }
  return statement->name;
}

bool PooledRequests::reads_value(std::string_view name) const {
  if (name.empty()) return prepared_.unnamed != 0 && prepared_.unnamed_facts.reads_value;
  const auto known = prepared_.named.find(name);
  return known != prepared_.named.end() && known->second->facts.reads_value;
}

// What a sequence has given to the session it has given on another connection: here it would be somebody else's.
void PooledRequests::execute_of(std::string_view name) {
  if (!settings_.guards_values || knows_values_ || !reads_value(name)) {
    knows_values_ = true;
    return;
  }
  encode(before_frame(), Parse{{}, lost_value(), {}});
  upstream_->unnamed = 0;
  note('P', Face::hidden, {.unnamed_again = true});
}

void PooledRequests::on_bind(std::uint32_t body_bytes, Bytes body) {
  const auto portal = text_up_to_zero(body);
  const auto name = portal.size() < body.size() ? text_up_to_zero(body.subspan(portal.size() + 1)) : portal;
  const auto names_bytes = portal.size() + name.size() + 2;
  if (!tracker_.passes_over() && names_bytes <= body.size()) {
    execute_of(name);
    const auto renamed = upstream_name(name);
    if (renamed != name) {
      auto& out = before_frame();
      const auto length = 4 + body_bytes - static_cast<std::uint32_t>(name.size()) +
                          static_cast<std::uint32_t>(renamed.size());
      out.push_back('B');
      for (const int shift : {24, 16, 8, 0}) out.push_back(static_cast<std::uint8_t>(length >> shift));
      out.insert(out.end(), portal.begin(), portal.end());
      out.push_back(0);
      out.insert(out.end(), renamed.begin(), renamed.end());
      out.push_back(0);
      replace_frame(names_bytes);
    }
  }
  tracker_.on_client_frame('B');
}

void PooledRequests::on_describe(Bytes body) {
  const auto name = text_up_to_zero(body.subspan(1));
  if (tracker_.passes_over() || name.size() + 2 > body.size()) return;
  const auto renamed = upstream_name(name);
  if (renamed == name) return;
  encode(before_frame(), Describe{Named::statement, renamed});
  replace_frame(body.size());
}

// The statement stays on the server connection, for others: what is closed there has a name that nothing has.
void PooledRequests::on_close(Bytes body) {
  const auto name = text_up_to_zero(body.subspan(1));
  if (tracker_.passes_over()) return pass('C');
  if (name.empty()) {
    Op op;
    op.unnamed_closed = prepared_.unnamed;
    prepared_.unnamed = upstream_->unnamed = 0;
    return note('C', Face::as_it_is, std::move(op));
  }
  const auto known = prepared_.named.find(name);
  if (known == prepared_.named.end() && !name.starts_with(statement_prefix)) return pass('C');
  encode(before_frame(), Close{Named::statement, no_statement});
  replace_frame(body.size());
  if (known == prepared_.named.end()) return pass('C');
  note('C', Face::as_it_is, renamed(name, nullptr));
}

void PooledRequests::on_query(std::uint32_t body_bytes, Bytes body) {
  if (tracker_.passes_over()) return tracker_.on_client_frame('Q');
  prepared_.unnamed = upstream_->unnamed = 0;
  if (body.size() < body_bytes) {
    tracker_.on_client_frame('Q');
    scanner_.start(*reported_, backslashes_);
    scanner_.look_at(body);
    look_for_path();
    lexing_ = knows_values_ = true;
    return;
  }
  const auto sql = text_up_to_zero(body);
  look_at_words(sql, Altering::once);
  std::optional<std::string> replaced;
  Op op;
  const bool refused = reads_refused_state(body);
  look_for_path();
  if (refused) {
    replaced = refusal_of(refused_.first());
  } else if (settings_.guards_values && !knows_values_ && scanner_.reads_value()) {
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
