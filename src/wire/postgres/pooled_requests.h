// What a client's requests become on their way to a server connection that is only borrowed (transaction pooling).
//
// Statements get the names that all sessions share (statements.h), and are parsed first where this connection does
// not have them; a Parse of a text that it has becomes a Close of nothing, whose answer becomes ParseComplete: so
// every answer still comes from the server, in its order. The text of each request is read for state that would stay
// behind (session_state.h).
//
// Pure: bytes in, bytes out; the tracker is told of every frame.
#pragma once

#include "base/bytes.h"
#include "base/limits.h"
#include "base/result.h"
#include "base/secret.h"
#include "wire/postgres/frame.h"
#include "wire/postgres/session_state.h"
#include "wire/postgres/session_tracker.h"
#include "wire/postgres/statements.h"

#include <cstdint>
#include <list>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace sallyport::postgres {

/// What a client has prepared. It stays with the client from one borrowed connection to the next.
struct PreparedStatements {
  std::map<std::string, StatementPtr, std::less<>> named = {};
  std::size_t named_bytes = 0;
  std::uint64_t unnamed = 0;  ///< its stamp; 0: there is none
  TextFacts unnamed_facts = {};
  std::vector<std::uint8_t> unnamed_body = {};  ///< of its Parse, behind the empty name

  [[nodiscard]] bool empty() const { return named.empty() && unnamed == 0; }
};

enum class Altering : std::uint8_t {
  no,
  once,
  kept
};  ///< kept: prepared under a name, and executed who knows when

class PooledRequests final : private NotedRequests {
 public:
  struct Settings {
    bool refuses_state = false;        ///< what leaves state behind is not passed on, but fails
    bool guards_values = false;        ///< currval and lastval fail where they would tell of another session
    std::size_t statements_max = 200;  ///< prepared on one server connection
  };
  struct Taken {
    std::size_t consumed = 0;  ///< of the chunk; the rest has to be shown again with more behind it
    bool rewritten = false;    ///< `out` goes to the server instead
    bool terminate = false;    ///< Terminate stands behind what was consumed
    bool waits = false;        ///< what comes next depends on what the server still has to answer
    bool full = false;         ///< `out` has enough: show the rest again when the server has taken that
  };

  /// `tracker` and `registry` outlive it.
  PooledRequests(SessionTracker& tracker, StatementRegistry& registry, Settings settings,
                 PreparedStatements prepared = {});
  ~PooledRequests();
  PooledRequests(const PooledRequests&) = delete;
  PooledRequests& operator=(const PooledRequests&) = delete;

  /// The session has this connection until detach(). `reported`: what its server reports by itself. `knows_values`: it
  /// was the last to have it, so what sequences gave there they gave to it.
  void attach(UpstreamStatements& upstream, const ReportedNames& reported, bool backslashes,
              bool knows_values = false);
  /// At a boundary.
  void detach();
  /// As of attach(), and what it has drawn since. Also when detached: of the connection that it had last.
  [[nodiscard]] bool knows_values() const { return knows_values_; }
  /// Detached, with no state left behind: what the next one for this client has to know; this one is used no more.
  [[nodiscard]] PreparedStatements take_prepared() { return std::exchange(prepared_, {}); }

  /// Client bytes, while attached. `out` is appended to, and only if something has to change.
  ///
  /// Limit   what is not consumed is at most limits::session_statements_bytes_max and a header.
  /// Errors  invalid_message: a length below 4, and what a server refuses although it is not asked anything: it would
  ///         say so to whoever has the connection by then. limit_exceeded: a body above frame_body_bytes_max.
  Result<Taken> take(Bytes chunk, WipedBytes& out);

  /// Between two frames of the client.
  [[nodiscard]] bool at_boundary() const { return body_left_ == 0; }
  /// What the session leaves behind as it is now.
  [[nodiscard]] StateReasons& state() { return scanner_.found(); }
  [[nodiscard]] const StateReasons& state() const { return scanner_.found(); }
  /// What was refused since the last call.
  StateReasons take_refused() { return std::exchange(refused_, {}); }

  /// A database that the client's latest statement needs for itself (database_words.h), since the last call; empty: none.
  std::string take_needed_alone() { return std::exchange(needed_alone_, {}); }

  /// Whether one since the last call may alter what sessions begin with (database_words.h).
  Altering take_altering() { return std::exchange(altering_, Altering::no); }

  /// The server's ErrorResponse.
  void on_error(std::string_view sqlstate);
  /// A command was completed, or (empty) a transaction: CREATE, ALTER and DROP end what others may share of what was
  /// prepared.
  void on_done(std::string_view tag);
  /// The client has prepared a statement of this name.
  [[nodiscard]] bool knows(std::string_view name) const { return prepared_.named.contains(name); }
  /// For another reason than on_error().
  void mistrust() { mistrusts_ = true; }
  /// The connection may have other statements than we think, or another role: it has to be reset.
  [[nodiscard]] bool mistrusts_upstream() const { return mistrusts_; }

 private:
  /// A Parse, Close or DEALLOCATE under way, and what has to be undone if an error comes before it.
  struct Op {
    std::optional<std::string> name = {};  // of the client's, that means something else from now on
    StatementPtr before = {};              // what it meant; null: nothing
    StatementPtr statement = {};           // that the connection has gained or lost
    bool had = false;                      // it had it before
    bool unnamed = false;                  // it is about the unnamed one
    bool unnamed_again = false;            // the client's, on another connection
    std::uint64_t unnamed_closed = 0;      // its stamp
    bool ends_all = false;                 // a DEALLOCATE ALL that ends nothing of the client's
    bool by_protocol = false;              // DEALLOCATE in a Parse, not a Query
  };

  void on_noted_done() override;
  void on_noted_dropped() override;
  void on_ended_in_sql(std::string_view tag, bool last) override;

  static std::optional<Error> what_is_wrong(char type, std::uint32_t length, Bytes body);
  [[nodiscard]] bool has_to_wait(char type, Bytes body);
  [[nodiscard]] bool has_enough(char type, std::uint32_t body_bytes, Bytes body) const;
  void on_frame(char type, std::uint32_t body_bytes, Bytes body);
  void on_parse(Bytes body);
  void on_parse_named(std::string_view name, Bytes rest, TextFacts facts);
  void on_parse_unnamed(Bytes rest, TextFacts facts);
  void on_bind(std::uint32_t body_bytes, Bytes body);
  void on_describe(Bytes body);
  void on_close(Bytes body);
  void on_query(std::uint32_t body_bytes, Bytes body);
  void on_large(char type, Bytes body);
  [[nodiscard]] bool reads_refused_state(Bytes sql);
  [[nodiscard]] bool guards_now() const { return settings_.guards_values && !knows_values_; }
  static bool may_be_deallocate(std::string_view sql);
  static bool ends_statements(std::string_view sql);
  void set_name(const std::string& name, StatementPtr statement);
  Op renamed(std::string_view name, StatementPtr statement);
  std::optional<std::string> renamed_deallocate(std::string_view sql, Op& op);

  void look_at_words(std::string_view sql, Altering altering);
  bool look_for_reading();
  void look_at_piece();
  void on_reading_named();
  void on_executed(const TextFacts& facts);
  void on_function_call(bool whole, Bytes body);
  /// What is parsed now may mean something else to others.
  [[nodiscard]] bool reads_apart() const;
  StatementPtr statement_here(const std::string& name, StatementPtr statement);
  [[nodiscard]] bool reads_value(std::string_view name) const;
  void execute_of(std::string_view name);
  void note(char type, Face face, Op op);
  void forget_settled();
  void pass(char type) { note(type, Face::as_it_is, {}); }
  void ensure(const StatementPtr& statement);
  void close_hidden(StatementPtr statement);
  void make_room(const Statement& statement);
  /// The name that the server knows the client's statement by.
  std::string_view upstream_name(std::string_view name);

  WipedBytes& before_frame();
  void replace_frame(std::size_t consumed_body);

  SessionTracker& tracker_;
  StatementRegistry& registry_;
  Settings settings_;
  StateScanner scanner_;
  StateReasons refused_, leaves_;  // leaves_: what the text that was read last leaves behind
  std::string needed_alone_;
  Altering altering_ = Altering::no;
  PreparedStatements prepared_;
  bool redefines_ = false;        // the transaction has made, altered or dropped something
  bool reading_changes_ = false;  // the session sets search_path and the like: for its transaction, perhaps
  std::list<Op> ops_;
  bool ending_all_ = false;   // DEALLOCATE ALL, which ends nothing of the client's, is under way
  bool bound_ender_ = false;  // what was bound last is a DEALLOCATE or DISCARD
  bool ender_runs_ = false;   // one is executed: what names mean behind it depends on its answer
  bool flush_due_ = false;    // the server has to be asked for that answer
  bool flushed_ = false;      // it was, in front of what ends the session
  // Of the ops that were passed over together the first says how it was.
  std::set<std::string> settled_names_;
  std::set<std::uint64_t> settled_statements_;
  std::vector<StatementPtr> bound_;  // lately
  bool mistrusts_ = false;
  bool knows_values_ = false;  // what currval and lastval would tell is of this session

  UpstreamStatements* upstream_ = nullptr;
  const ReportedNames* reported_ = nullptr;
  bool backslashes_ = false;
  std::uint32_t body_left_ = 0;  // of a frame that passes
  bool lexing_ = false;          // it is SQL

  // During take():
  Bytes chunk_;
  WipedBytes* out_ = nullptr;
  std::size_t at_ = 0;      // of the frame
  std::size_t copied_ = 0;  // up to here the chunk stands in `out`, if rewritten
  bool rewritten_ = false;
};

}  // namespace sallyport::postgres
