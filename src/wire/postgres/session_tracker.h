// What one PostgreSQL session has open, learnt from the frames that pass: may its server connection
// change owner, may it be replaced by another, and what must then be restored.
//
// A ReadyForQuery alone proves nothing: later requests may already be on their way. So every request
// that will be answered by one is queued, and the session is at a boundary only when the queue is empty,
// no extended-protocol message waits for its Sync, and no transaction is open.
//
// Pure; the relay calls it for every frame header and hands it the bodies that it asks for.
//
// Source  PostgreSQL manual, "Message Flow": Extended Query, COPY Operations, Function Call.
#pragma once

#include "base/bytes.h"
#include "base/limits.h"
#include "wire/postgres/session_messages.h"
#include "wire/postgres/state_words.h"

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace sallyport::postgres {

/// How the client is to see the server's answer to a Parse or Close.
enum class Face : std::uint8_t {
  as_it_is,
  hidden,          ///< somebody slipped the message in
  parse_complete,  ///< its Parse was replaced by a Close
};

/// Hears of Parse, Close and Query messages that it has announced (SessionTracker::expect_noted), in their order.
class NotedRequests {
 public:
  virtual void on_noted_done() = 0;
  /// It failed, or an error came first and the server has passed it over.
  virtual void on_noted_dropped() = 0;
  /// A DEALLOCATE or DISCARD has been done. `last`: no other statement is on its way behind it.
  virtual void on_ended_in_sql(std::string_view tag, bool last) = 0;

 protected:
  ~NotedRequests() = default;
};

class SessionTracker {
 public:
  /// From now on statements are not remembered here; `notes` hears of them.
  void set_notes(NotedRequests* notes) { notes_ = notes; }
  /// Instead of on_client_frame or on_client_body, for a 'P', 'C' or 'Q'. False: the server will pass over it, or what it
  /// answers can no longer be told; then `notes` will not hear of it.
  bool expect_noted(char type, Face face);
  /// The server discards what the client sends now, or what it answers can no longer be told.
  [[nodiscard]] bool passes_over() const { return skipping_to_sync_ || uncertain_; }
  /// Something in front of the last Query or Sync is not answered: it will be, without more from the client.
  [[nodiscard]] bool owes_earlier() const {
    return queue_head_ < queue_.size() && queue_[queue_head_].segment != segment_;
  }
  /// Something is not answered yet that the server has answered, or will, without a Sync.
  [[nodiscard]] bool owes_answers() const { return current() < queue_.size(); }
  /// The server takes data now.
  [[nodiscard]] bool is_copying_in() const { return copy_in_; }
  /// What is owed can no longer be told: no boundary is ever seen again.
  [[nodiscard]] bool is_uncertain() const { return uncertain_; }

  [[nodiscard]] bool wants_client_body(char type, std::uint32_t body_bytes) const;
  void on_client_frame(char type);
  void on_client_body(char type, Bytes body);  ///< instead of on_client_frame, when the body was wanted

  /// After on_client_frame: its body is wanted as it passes.
  [[nodiscard]] static bool wants_client_pieces(char type) { return type == 'Q' || type == 'P'; }
  void on_client_piece(Bytes piece);

  [[nodiscard]] static bool wants_server_body(char type, std::uint32_t body_bytes);
  /// Returns how the client is to see it.
  Face on_server_frame(char type);
  void on_server_body(char type, Bytes body);  ///< instead of on_server_frame, when the body was wanted

  /// Nothing outstanding, no transaction open, bookkeeping certain: the connection may change owner.
  [[nodiscard]] bool at_boundary() const {
    return queue_head_ == queue_.size() && !skipping_to_sync_ && !copy_in_ && !uncertain_ &&
           status_ == TransactionStatus::idle;
  }
  /// No reply is owed (a transaction may be open).
  [[nodiscard]] bool nothing_outstanding() const {
    return queue_head_ == queue_.size() && !copy_in_ && !uncertain_;
  }
  /// No more is to be read from the client until the server has answered some of what it was sent.
  ///
  /// A pipeline of any length works all the same: a server answers also in front of a Sync as soon as it has 8 kB to
  /// send, so what waits here is in the sockets' buffers or is worked on. What a server passes over in silence is
  /// not counted (data and CopyDone without a COPY), or the count is given up (see uncertain_).
  [[nodiscard]] bool is_full() const { return outstanding() >= limits::session_requests_max; }
  /// Entries that are remembered of requests under way.
  [[nodiscard]] std::size_t outstanding() const { return queue_.size() - queue_head_; }
  /// What is outstanding will never be answered unless the client sends more (its CopyDone, its Sync), or that
  /// cannot be told: when the client has ended, the server must be told.
  [[nodiscard]] bool awaits_client() const;
  [[nodiscard]] TransactionStatus status() const { return status_; }
  [[nodiscard]] std::uint64_t transactions() const { return transactions_; }

  /// Parse messages' bodies by statement name ("" is the unnamed one), as the server accepted them.
  [[nodiscard]] const std::map<std::string, std::vector<std::uint8_t>, std::less<>>& statements() const {
    return statements_;
  }

  /// Why this session cannot be moved, as far as the passing frames tell; empty: nothing seen. The rest
  /// is asked of the server before a move.
  [[nodiscard]] std::string_view hidden_state() const;
  /// It has left what DISCARD ALL does not undo: its server connection is for nobody else.
  [[nodiscard]] bool leaves_lasting_state() const { return !lasting_state().empty(); }

 private:
  // copy is not answered: it marks what was sent before the server said that it copies, one entry for a run of any
  // length, or a client could grow the queue with what a server ignores.
  enum class Kind : std::uint8_t { query, sync, function_call, extended, parse, close, copy };
  struct Expected {
    Kind kind = Kind::query;
    // extended: answers to Bind, Describe, Execute still to come; 0: its Sync is missing
    // query: 1 if it has failed
    // copy: CopyDone and CopyFail in the run; 0: only data
    unsigned open = 0;
    std::vector<std::uint8_t> body = {};  // parse: the whole body; close: the statement's name
    bool noted = false;
    Face face = Face::as_it_is;
    std::uint32_t segment = 0;
  };

  void expect(Kind kind, std::vector<std::uint8_t> body = {});
  void expect_extended();
  void expect_copy(bool ends);
  void lose_count();
  void on_extended_answer();
  [[nodiscard]] std::size_t current() const;
  void on_ready_for_query(char status);
  void on_error();
  Face on_parse_complete();
  Face on_close_complete();
  void on_copy_in();
  void drop_front(bool done = false);
  static bool has_text(Kind kind) { return kind == Kind::query || kind == Kind::parse; }

  // session_statements.cpp: what outlives a request.
  void on_command_complete(std::string_view tag);
  void remember_statement(std::vector<std::uint8_t> body);
  /// What DISCARD ALL would leave.
  [[nodiscard]] StateReasons lasting_state() const;
  void forget_statement(std::string_view name);

  std::vector<Expected> queue_;  // [queue_head_, end) is outstanding; cleared when it runs empty
  std::size_t queue_head_ = 0;
  std::uint32_t segment_ = 0;  // ends with a Query or Sync
  TransactionStatus status_ = TransactionStatus::idle;
  bool skipping_to_sync_ = false;  // the server discards messages until Sync, and none is queued
  bool copy_in_ = false;
  bool syncs_in_copy_ = false;    // ignored by the server, unless the COPY failed before it read them
  bool uncertain_ = false;        // the count is lost: the queue stays empty, no boundary is ever seen again
  std::size_t queued_bytes_ = 0;  // of bodies in queue_
  std::size_t texts_ = 0;         // queries and Parse messages in it
  std::uint64_t transactions_ = 0;
  std::map<std::string, std::vector<std::uint8_t>, std::less<>> statements_;
  std::size_t statement_bytes_ = 0;
  StateWords words_;
  NotedRequests* notes_ = nullptr;
  StateReasons state_;  // beside what the words tell
};

}  // namespace sallyport::postgres
