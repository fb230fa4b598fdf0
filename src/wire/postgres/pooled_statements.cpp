// Statements of a client on a borrowed connection: Parse, Bind, Describe, Close, and SQL's DEALLOCATE.
#include "base/limits.h"
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

// Parsed here and now it would be something else than what others take it for: then it is the client's own from now on.
StatementPtr PooledRequests::statement_here(const std::string& name, StatementPtr statement) {
  if (!upstream_->has(*statement) && statement->shared &&
      (reads_apart() || statement->reading != reported_->reading())) {
    statement = registry_.make_own(Bytes{statement->body}, statement->facts);
    set_name(name, statement);
  }
  ensure(statement);
  return statement;
}

void PooledRequests::ensure(const StatementPtr& statement) {
  if (upstream_->has(*statement)) return;
  make_room(*statement);
  write_frame(before_frame(), 'P', statement->name, Bytes{statement->body});
  upstream_->add(statement);
  note('P', Face::hidden, {.statement = statement});
}

void PooledRequests::on_parse(Bytes body) {
  const auto name = text_up_to_zero(body);
  if (tracker_.passes_over() || name.size() == body.size()) return pass('P');
  const auto rest = body.subspan(name.size() + 1);
  const bool refused = reads_refused_state(rest);
  const bool changes_reading = look_for_reading(), defines = scanner_.take_defines();
  if (refused) {
    postgres::encode(before_frame(), Parse{{}, refusal_of(refused_.first()), {}});
    replace_frame(body.size());
    return pass('P');
  }
  look_at_words(text_up_to_zero(rest), name.empty() ? Altering::once : Altering::kept);
  const TextFacts facts{changes_reading, defines, scanner_.reads_value(), leaves_,
                        ends_statements(text_up_to_zero(rest))};
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
    const auto statement = statement_here(known->first, known->second);
    write_frame(before_frame(), 'P', statement->name, rest);
    replace_frame(body_bytes);
    return pass('P');
  }
  const auto bytes = prepared_.named_bytes + body_bytes + bytes_beside_name;
  if (name.size() > name_bytes_max || bytes > limits::session_statements_bytes_max) {
    scanner_.found().add(StateReason::statement_too_large);
    return pass('P');
  }
  const auto reading = reported_->reading();
  const bool own = reads_apart() || reading.size() > reading_bytes_max;
  auto statement = own ? registry_.make_own(rest, facts) : registry_.intern(rest, facts, reading);
  bool there = upstream_->has(*statement);
  if (there && tracker_.status() == TransactionStatus::failed) {
    // A Close would succeed where this Parse does not; but by then the transaction may be over.
    close_hidden(statement);
    there = false;
  } else if (there && upstream_->is_of_another_reading(*statement)) {
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
    bound_ender_ = prepared_.unnamed_facts.ends_statements;
    on_executed(prepared_.unnamed_facts);
    if (upstream_->unnamed == prepared_.unnamed) return name;
    write_frame(before_frame(), 'P', {}, Bytes{prepared_.unnamed_body});
    upstream_->unnamed = prepared_.unnamed;
    note('P', Face::hidden, {.unnamed_again = true});
    return name;
  }
  const auto known = prepared_.named.find(name);
  if (known == prepared_.named.end()) return name.starts_with(statement_prefix) ? no_statement : name;
  const auto statement = statement_here(known->first, known->second);
  on_executed(statement->facts);
  bound_ender_ = statement->facts.ends_statements;
  if (bound_.empty() || bound_.back() != statement) {
    if (bound_.size() == bound_max) bound_.erase(bound_.begin());
    bound_.push_back(statement);
  }
  return statement->name;
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

}  // namespace sallyport::postgres
