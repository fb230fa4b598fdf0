// Moves a session at rest from one server connection to another, unseen by its client.
//
// Whether that is possible is asked of the old server connection itself, in the catalogues: what it
// listens to, locks, cursors, temporary objects, statements prepared in SQL, its role. What is then
// different from a fresh connection (settings, protocol-level statements) is restored on the new one. Our
// questions use statements and portals with names of our own, so the client's unnamed ones survive them.
#pragma once

#include "broker/pool.h"
#include "broker/relay.h"

#include <cstdint>
#include <string>
#include <vector>

namespace sallyport::broker {

class MoverOwner {
 public:
  // The client may be held: the owner lets it go, once it has seen whether the session goes on.
  virtual void on_moved() = 0;
  /// It keeps its old connection; `reason` is a word for a counter: "listen", "temporary_table", …
  virtual void on_immovable(std::string_view reason) = 0;
  /// No new connection could be had now.
  virtual void on_move_failed(const Error& error) = 0;
  /// The old connection did not answer, or ended, in the middle of our questions.
  virtual void on_move_broke() = 0;

 protected:
  ~MoverOwner() = default;
};

class Mover final : private net::StreamEvents {
 public:
  Mover(Relay& relay, Pool& pool, std::string run_as, net::Loop& loop, MoverOwner& owner);
  ~Mover();
  Mover(const Mover&) = delete;
  Mover& operator=(const Mover&) = delete;

  /// Gets a connection of a later generation than the session's; then waits for a boundary.
  void start();
  /// A connection of this generation is of no use any more.
  void on_generation_ending(std::uint64_t generation);
  /// The session has ended: lets go of everything and says nothing more. Also from within what we call.
  void give_up();
  /// The session is at rest: begin, if a new connection is there.
  void at_boundary();

  [[nodiscard]] bool wants_boundary() const { return step_ == Step::have_connection; }
  [[nodiscard]] bool waits_for_connection() const { return step_ == Step::waiting_for_connection; }
  [[nodiscard]] bool is_under_way() const { return step_ == Step::asking || step_ == Step::restoring; }

 private:
  enum class Step { idle, waiting_for_connection, have_connection, asking, restoring, over };
  struct Setting {
    std::string name, value;
  };

  static constexpr auto connection_deadline = std::chrono::seconds{15};
  static constexpr auto answer_deadline = std::chrono::seconds{5};
  /// All answers of one server: more is no answer to our questions.
  static constexpr std::size_t answers_bytes_max = 8U << 20;

  void ask();
  void restore();
  void on_readable() override;
  void on_writable() override;
  bool flush();
  Result<void> on_message(char type, Bytes body);
  Result<void> on_row(Bytes body);
  Result<void> on_role_row(Bytes body);
  [[nodiscard]] bool asks_for_role() const { return run_as_.empty(); }
  void on_ready();
  [[nodiscard]] std::string_view why_not() const;
  void swap();
  void stay(std::string_view reason);
  void hand_back(UpstreamPtr upstream);
  void broke();
  void forward_to_client(char type, Bytes body);
  [[nodiscard]] net::Stream& stream();

  Relay& relay_;
  Pool& pool_;
  std::string run_as_;
  net::Loop& loop_;
  MoverOwner& owner_;
  Step step_ = Step::idle;
  Pool::WaiterId waiter_ = 0;
  UpstreamPtr old_, fresh_;
  std::uint64_t ended_ = 0;  // generations up to this one end, or have ended
  InputBuffer input_;
  WipedBytes unsent_;
  std::size_t answer_bytes_ = 0;
  bool given_up_ = false;
  unsigned questions_answered_ = 0;
  unsigned ready_owed_ = 0;
  bool error_seen_ = false, too_many_ = false;
  std::vector<std::string> state_;  // the first question's columns
  std::string fresh_role_;          // that the new connection begins with; empty: not told
  std::vector<Setting> settings_;
  std::vector<std::string> statements_;
  net::TimerId deadline_;
};

}  // namespace sallyport::broker
