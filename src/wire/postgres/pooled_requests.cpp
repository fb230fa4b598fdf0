#include "wire/postgres/pooled_requests.h"

#include "wire/postgres/session_messages.h"

#include <algorithm>
#include <iterator>
#include <utility>

namespace sallyport::postgres {

namespace {

/// A server takes no longer Close and Describe (PQ_SMALL_MESSAGE_LIMIT), so no name is longer.
constexpr std::uint32_t name_frame_bytes_max = 10'000;
/// A statement's name and a portal's.
constexpr std::size_t names_bytes_max = 2 * name_frame_bytes_max;
/// A simple query up to here is looked at whole: DEALLOCATE is among them.
constexpr std::uint32_t short_query_bytes_max = 512;
/// And up to here where currval and lastval must not tell of others.
constexpr std::uint32_t guarded_query_bytes_max = 16'384;

std::uint32_t load_u32(Bytes at) {
  return static_cast<std::uint32_t>(at[0]) << 24 | static_cast<std::uint32_t>(at[1]) << 16 |
         static_cast<std::uint32_t>(at[2]) << 8 | static_cast<std::uint32_t>(at[3]);
}

bool is_request(char type) { return std::string_view{"BCDEFHPQScdf"}.find(type) != std::string_view::npos; }

}  // namespace

PooledRequests::PooledRequests(SessionTracker& tracker, StatementRegistry& registry, Settings settings,
                               PreparedStatements prepared)
    : tracker_(tracker), registry_(registry), settings_(settings), prepared_(std::move(prepared)) {
  tracker_.set_notes(this);
}

PooledRequests::~PooledRequests() { tracker_.set_notes(nullptr); }

void PooledRequests::attach(UpstreamStatements& upstream, const ReportedNames& reported, bool backslashes,
                            bool knows_values) {
  knows_values_ = knows_values;
  upstream_ = &upstream;
  reported_ = &reported;
  backslashes_ = backslashes;
}

void PooledRequests::detach() {
  ending_all_ = bound_ender_ = ender_runs_ = flush_due_ = flushed_ = false;
  upstream_ = nullptr;
  reported_ = nullptr;
  bound_.clear();
  mistrusts_ = false;
}

Result<PooledRequests::Taken> PooledRequests::take(Bytes chunk, WipedBytes& out) {
  chunk_ = chunk;
  out_ = &out;
  at_ = copied_ = 0;
  rewritten_ = false;
  bool terminate = false;
  bool waits = false;
  bool full = false;
  if (body_left_ > 0) {
    const auto here = std::min<std::size_t>(body_left_, chunk.size());
    if (lexing_) {
      scanner_.look_at(chunk.first(here));
      look_at_piece();
    }
    body_left_ -= static_cast<std::uint32_t>(here);
    at_ = here;
  }
  while (body_left_ == 0 && chunk.size() - at_ >= frame_header_bytes) {
    const char type = static_cast<char>(chunk[at_]);
    const auto length = load_u32(chunk.subspan(at_ + 1));
    const auto body_bytes = length - 4;
    const auto rest = chunk.subspan(at_ + frame_header_bytes);
    const auto body = rest.first(std::min<std::size_t>(body_bytes, rest.size()));
    if (const auto wrong = what_is_wrong(type, length, body)) {
      // In its order: what was asked before is answered first.
      if (!tracker_.owes_answers() || tracker_.is_copying_in()) return *wrong;
      waits = true;
      if (!std::exchange(flushed_, true)) FrameWriter{before_frame(), 'H'}.finish();
      break;
    }
    if (type == 'X') {
      terminate = true;
      break;
    }
    if (!has_enough(type, body_bytes, body)) break;
    // A short Bind may bring the whole text of its statement with it.
    if (out.size() > limits::relay_pending_bytes_max) {
      full = true;
      break;
    }
    if (has_to_wait(type, body)) {
      waits = true;
      if (std::exchange(flush_due_, false)) FrameWriter{before_frame(), 'H'}.finish();
      break;
    }
    on_frame(type, body_bytes, body);
    at_ += frame_header_bytes + body.size();
    body_left_ = body_bytes - static_cast<std::uint32_t>(body.size());
  }
  if (rewritten_) before_frame();
  return Taken{at_, rewritten_, terminate, waits, full};
}

// What a server refuses although it is not asked anything, and what nobody could read.
std::optional<Error> PooledRequests::what_is_wrong(char type, std::uint32_t length, Bytes body) {
  const auto wrong = [type](ErrorCode code, std::string what) {
    return Error{code, Hop::session, std::string{type}, std::move(what), {}, "08P01"};
  };
  if (length < 4 || length - 4 > frame_body_bytes_max) {
    return wrong(length < 4 ? ErrorCode::invalid_message : ErrorCode::limit_exceeded,
                 "a message of impossible length");
  }
  if (type != 'X' && (!is_request(type) || (type == 'H' && length != 4)))
    return wrong(ErrorCode::invalid_message, "a message that is no request");
  if (type == 'B' && body.size() >= names_bytes_max && std::count(body.begin(), body.end(), 0) < 2) {
    return wrong(ErrorCode::limit_exceeded,
                 "names of " + std::to_string(names_bytes_max) + " bytes and more");
  }
  return std::nullopt;
}

// What has to be read before anything of it may go on.
bool PooledRequests::has_enough(char type, std::uint32_t body_bytes, Bytes body) const {
  if (body.size() == body_bytes) return true;
  switch (type) {
    case 'P': return body_bytes > limits::session_statements_bytes_max;
    case 'C':
    case 'D': return body_bytes > name_frame_bytes_max;
    case 'F':
      return body.size() >= 4 && (body_bytes > guarded_query_bytes_max || !reads_sequence(load_u32(body)));
    case 'B': return body.size() >= names_bytes_max || std::count(body.begin(), body.end(), 0) >= 2;
    case 'Q':
      return body_bytes > (settings_.refuses_state ? limits::session_statements_bytes_max
                           : guards_now()          ? guarded_query_bytes_max
                                                   : short_query_bytes_max);
    default: return true;
  }
}

// What DEALLOCATE ALL ends is known when it is answered. In a pipeline of several segments an error in one leaves it
// open what a name means in the next, and whether its transaction goes on. Both are waited for. A client that waits
// for each Sync never comes here, nor one that prepares first.
bool PooledRequests::has_to_wait(char type, Bytes body) {
  const bool about_statements = type == 'P' || type == 'B' || type == 'Q' ||
                                ((type == 'D' || type == 'C') && !body.empty() && body[0] == 'S');
  if (!about_statements || tracker_.passes_over() || tracker_.is_copying_in()) return false;
  if (ender_runs_ && tracker_.owes_answers()) return true;
  ender_runs_ = false;
  if (!tracker_.owes_earlier()) return false;
  if (!ops_.empty()) return true;
  return (type == 'P' && !body.empty() && body[0] != 0) || (type == 'Q' && may_be_deallocate(as_text(body)));
}

void PooledRequests::on_frame(char type, std::uint32_t body_bytes, Bytes body) {
  lexing_ = false;
  const bool whole = body.size() == body_bytes;
  switch (type) {
    case 'P': return whole ? on_parse(body) : on_large(type, body);
    case 'B': return on_bind(body_bytes, body);
    case 'D':
      if (whole && !body.empty() && body[0] == 'S') on_describe(body);
      return tracker_.on_client_frame(type);
    case 'C':
      if (whole && !body.empty() && body[0] == 'S') return on_close(body);
      return pass('C');
    case 'Q': return on_query(body_bytes, body);
    case 'E':
      if (bound_ender_) ender_runs_ = flush_due_ = true;
      return tracker_.on_client_frame(type);
    case 'F': return on_function_call(whole, body);
    case 'S': bound_ender_ = flush_due_ = false; [[fallthrough]];
    default: return tracker_.on_client_frame(type);
  }
}

// Bytes of the chunk up to the frame have been written; what is appended now comes in front of it.
WipedBytes& PooledRequests::before_frame() {
  rewritten_ = true;
  const auto passed = chunk_.subspan(copied_, at_ - copied_);
  out_->insert(out_->end(), passed.begin(), passed.end());
  copied_ = at_;
  return *out_;
}

void PooledRequests::replace_frame(std::size_t consumed_body) {
  copied_ = at_ + frame_header_bytes + consumed_body;
}

void PooledRequests::note(char type, Face face, Op op) {
  if (ops_.empty()) forget_settled();
  if (tracker_.expect_noted(type, face)) ops_.push_back(std::move(op));
}

void PooledRequests::forget_settled() {
  settled_names_.clear();
  settled_statements_.clear();
}

void PooledRequests::on_noted_done() {
  // By protocol its Parse is done; its Execute will be.
  ending_all_ = ops_.front().ends_all && ops_.front().by_protocol;
  ops_.pop_front();
  forget_settled();
}

void PooledRequests::on_noted_dropped() {
  const auto op = std::move(ops_.front());
  ops_.pop_front();
  if (op.name && settled_names_.insert(*op.name).second) set_name(*op.name, op.before);
  if (op.statement != nullptr && settled_statements_.insert(op.statement->number).second) {
    op.had ? upstream_->add_again(op.statement) : upstream_->remove(*op.statement);
  }
  // The server has dropped the one before, too, if it was this one that failed.
  const bool first = (op.unnamed || op.unnamed_closed != 0) && settled_names_.insert(std::string{}).second;
  if (first) prepared_.unnamed = op.unnamed_closed;
  if (first || op.unnamed_again) upstream_->unnamed = 0;
}

void PooledRequests::set_name(const std::string& name, StatementPtr statement) {
  auto& meant = prepared_.named[name];
  const auto bytes_of = [&name](const StatementPtr& one) {
    return one->body.size() + name.size() + bytes_beside_name;
  };
  if (meant != nullptr) prepared_.named_bytes -= bytes_of(meant);
  if (statement == nullptr) {
    prepared_.named.erase(name);
    return;
  }
  prepared_.named_bytes += bytes_of(statement);
  meant = std::move(statement);
}

/// The name means this from now on; null: nothing.
PooledRequests::Op PooledRequests::renamed(std::string_view name, StatementPtr statement) {
  Op op;
  op.name = name;
  if (const auto known = prepared_.named.find(name); known != prepared_.named.end())
    op.before = known->second;
  set_name(*op.name, std::move(statement));
  return op;
}

void PooledRequests::on_ended_in_sql(std::string_view tag, bool last) {
  const bool discard_all = tag == "DISCARD ALL";
  const bool ours = !ops_.empty() && ops_.front().ends_all;
  if (!discard_all && (ours || std::exchange(ending_all_, false))) return;
  if (tag == "DEALLOCATE") return;  // of what SQL has prepared
  prepared_.named.clear();
  prepared_.named_bytes = 0;
  upstream_->clear();
  if (!discard_all) return;
  prepared_.unnamed = 0;
  if (last) scanner_.found().discard_all();
}

void PooledRequests::on_error(std::string_view sqlstate) {
  // "cached plan must not change result type": who prepares the text again gets a plan of its own everywhere.
  if (sqlstate == "0A000") {
    for (const auto& statement : bound_) registry_.retire(*statement);
  }
  // Somebody has ended statements or made some behind our back.
  if (sqlstate == "26000" || sqlstate == "42P05") mistrusts_ = true;
}

// Names, and the types of parameters, are found when a text is parsed. Whoever parses it after a CREATE or an ALTER would
// be given those of before; so would who parses it while that is not committed.
void PooledRequests::on_done(std::string_view tag) {
  // Executed now; or taken back, to a savepoint or at the transaction's end.
  const bool changes = tag.empty() || tag == "SET" || tag == "RESET" || tag == "ROLLBACK";
  if (reading_changes_ && changes) upstream_->on_reading_changed();
  redefines_ =
      redefines_ || tag.starts_with("ALTER ") || tag.starts_with("DROP ") || tag == "COMMIT PREPARED";
  if (redefines_) registry_.retire_all();
  // What is under way behind this transaction has been read already, and is what has been noted, perhaps.
  if (!tag.empty() || !tracker_.nothing_outstanding()) return;
  redefines_ = false;
  // It was SET LOCAL, or the server has reported it: else the session would keep its connection.
  if (std::exchange(reading_changes_, false) && state().empty()) upstream_->on_reading_restored();
}

}  // namespace sallyport::postgres
