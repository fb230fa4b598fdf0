// A small model of one PostgreSQL session: a client that throws dice for messages, a server that answers as the
// manual's "Message Flow" says, and the messages in flight between them. The tracker sits where the relay does:
// it sees client messages when they leave and server messages when they arrive. The model knows the truth.
//
// Shared by the test and by fuzz/session_tracker_fuzz.cpp, whose input is the dice.
#pragma once

#include "wire/postgres/session_tracker.h"

#include <algorithm>
#include <deque>
#include <functional>
#include <string>

namespace sallyport::test {

class TrackerModel {
 public:
  using Dice = std::function<unsigned(unsigned below)>;
  explicit TrackerModel(Dice dice) : dice_(std::move(dice)) {}

  postgres::SessionTracker tracker;
  std::string story;  ///< what was sent and answered, for messages of failed tests

  /// One step of anything: a client message, the server working, an answer arriving.
  void step(bool wild) {
    switch (dice_(4)) {
      case 0: wild ? send_any() : send_unit(); break;
      case 1:
      case 2: serve_one(); break;
      default: deliver_one(); break;
    }
  }
  void come_to_rest() {
    while (!to_server_.empty() || !to_client_.empty()) {
      while (!to_server_.empty()) serve_one();
      while (!to_client_.empty()) deliver_one();
    }
  }
  /// What a well-behaved client does when it is told to finish: CopyDone, Sync.
  void finish_politely() {
    come_to_rest();
    if (mode_ == Mode::copying_simple || mode_ == Mode::copying_extended) send('c', 0);
    come_to_rest();
    if (mode_ == Mode::skipping || open_) send('S', 0);
    come_to_rest();
  }

  /// The truth: nothing in flight, nothing owed, no transaction, not even one that waits for its Sync.
  /// What the server will ignore may be in flight.
  [[nodiscard]] bool at_rest() const {
    const auto ignored = [](const Sent& sent) {
      return sent.type == 'H' || sent.type == 'd' || sent.type == 'c' || sent.type == 'f';
    };
    return std::all_of(to_server_.begin(), to_server_.end(), ignored) && to_client_.empty() &&
           mode_ == Mode::normal && !open_ && status_ == 'I';
  }
  [[nodiscard]] bool in_flight() const { return !to_server_.empty() || !to_client_.empty(); }
  [[nodiscard]] char status() const { return status_; }

 private:
  enum class Mode { normal, skipping, copying_simple, copying_extended };
  // Outcomes of a message that the server will decide on; the tracker does not know.
  enum Outcome : unsigned { good, bad, copies, copies_and_fails, begins, commits, rows, outcomes };
  struct Sent {
    char type;
    unsigned outcome;
  };

  void send(char type, unsigned outcome) {
    story += type;
    if (outcome == bad) story += '!';
    if (outcome == copies || outcome == copies_and_fails) story += '*';
    std::string body = type == 'P'   ? std::string("s\0select 1\0\0\0", 13)
                       : type == 'C' ? std::string("Ss\0", 3)
                                     : std::string("select 1\0", 9);
    if (tracker.wants_client_body(type, static_cast<std::uint32_t>(body.size()))) {
      tracker.on_client_body(type, as_bytes(body));
    } else {
      tracker.on_client_frame(type);
      if (tracker.wants_client_pieces(type)) tracker.on_client_piece(as_bytes(body));
    }
    to_server_.push_back({type, outcome});
  }

  void send_any() {
    static constexpr char types[] = {'Q', 'F', 'P', 'B', 'D', 'E', 'C', 'H', 'S', 'd', 'c', 'f', 'S', 'E'};
    send(types[dice_(sizeof types)], dice_(outcomes));
  }

  // What drivers do, with everything they pipeline; never anything but data into a COPY.
  void send_unit() {
    if (copying_client_) return continue_copy();
    switch (dice_(8)) {
      case 0: return send('Q', no_copy(dice_(outcomes)));
      case 1: return send('F', dice_(2));
      case 2:
        send('P', dice_(8) == 0 ? bad : good);
        send('B', dice_(8) == 0 ? bad : good);
        if (dice_(2) == 0) send('D', good);
        send('E', no_copy(dice_(outcomes)));
        if (dice_(4) == 0) send('H', good);
        if (dice_(3) != 0) send('S', good);
        return;
      case 3: return send('S', good);
      case 4: send('C', good); return send('S', good);
      case 5: return send('H', good);
      case 6:  // waits for CopyInResponse
        send('S', good);
        finish_politely();
        if (mode_ != Mode::normal) return;
        send('Q', copies + dice_(2));
        copying_client_ = true;
        come_to_rest();
        return continue_copy();
      default: return copy_ahead();
    }
  }
  static unsigned no_copy(unsigned outcome) {
    return outcome == copies || outcome == copies_and_fails ? static_cast<unsigned>(good) : outcome;
  }
  void continue_copy() {
    const auto what = dice_(4);
    if (what != 0) return send('d', dice_(6) == 0 ? bad : good);
    send(dice_(3) == 0 ? 'f' : 'c', good);
    copying_client_ = false;
  }
  // Data sent before the server has said that it copies, or that it does not.
  void copy_ahead() {
    const bool extended = dice_(2) == 0;
    if (extended) {
      send('S', good);
      send('P', dice_(8) == 0 ? bad : good);
      send('B', good);
    }
    static constexpr unsigned ways[] = {copies, copies, copies_and_fails, bad};
    send(extended ? 'E' : 'Q', ways[dice_(4)]);
    const auto count = dice_(3);
    for (unsigned i = 0; i < count; ++i) send('d', dice_(6) == 0 ? bad : good);
    send(dice_(4) == 0 ? 'f' : 'c', good);
    if (extended) send('S', good);
  }

  void say(char type) { to_client_.push_back({type, static_cast<unsigned>(status_)}); }
  void say_ready() {
    open_ = false;
    say('Z');
  }
  void fail(bool simple) {
    if (status_ == 'T') status_ = 'E';
    say('E');
    if (simple) {
      mode_ = Mode::normal;
      say_ready();
    } else {
      mode_ = Mode::skipping;
      open_ = true;
    }
  }

  void serve_one() {
    if (to_server_.empty()) return;
    const auto message = to_server_.front();
    to_server_.pop_front();
    if (mode_ == Mode::skipping && message.type != 'S') return;
    if (mode_ == Mode::copying_simple || mode_ == Mode::copying_extended) return serve_copy(message);
    switch (message.type) {
      case 'Q': return serve_query(message.outcome);
      case 'F':
        if (message.outcome == bad) return fail(true);
        say('V');
        return say_ready();
      case 'S': mode_ = Mode::normal; return say_ready();
      case 'H':
      case 'd':
      case 'c':
      case 'f': return;
      default: return serve_extended(message);
    }
  }
  void serve_query(unsigned outcome) {
    switch (outcome) {
      case bad: return fail(true);
      case copies:
      case copies_and_fails:
        say('G');
        mode_ = Mode::copying_simple;
        if (outcome == copies_and_fails) fail(true);
        return;
      case begins: status_ = status_ == 'I' ? 'T' : status_; break;
      case commits: status_ = 'I'; break;
      case rows:
        say('T');
        say('D');
        say('C');
        say('T');
        break;
      default: break;
    }
    say('C');
    say_ready();
  }
  void serve_extended(const Sent& message) {
    open_ = true;
    if (message.outcome == bad) return fail(false);
    switch (message.type) {
      case 'P': return say('1');
      case 'B': return say('2');
      case 'D': say('t'); return say(message.outcome == rows ? 'T' : 'n');
      case 'C': return say('3');
      default: break;
    }
    if (message.outcome == copies || message.outcome == copies_and_fails) {
      say('G');
      mode_ = Mode::copying_extended;
      if (message.outcome == copies_and_fails) fail(false);
      return;
    }
    if (message.outcome == begins && status_ == 'I') status_ = 'T';
    if (message.outcome == commits) status_ = 'I';
    if (message.outcome == rows) say('D');
    say(message.outcome == rows ? 's' : message.outcome == begins ? 'I' : 'C');
  }
  void serve_copy(const Sent& message) {
    const bool simple = mode_ == Mode::copying_simple;
    switch (message.type) {
      case 'd':
        if (message.outcome == bad) fail(simple);
        return;
      case 'H':
      case 'S': return;
      case 'c':
        mode_ = Mode::normal;
        say('C');
        if (simple) say_ready();
        return;
      default: return fail(simple);  // CopyFail, and what does not belong into a COPY
    }
  }

  void deliver_one() {
    if (to_client_.empty()) return;
    const auto [type, status] = to_client_.front();
    to_client_.pop_front();
    story += std::string{"<"} + type + (type == 'Z' ? std::string(1, static_cast<char>(status)) : "") + ">";
    if (type == 'E') copying_client_ = false;
    const std::string body =
        type == 'Z' ? std::string(1, static_cast<char>(status)) : std::string("SELECT 1\0", 9);
    if (postgres::SessionTracker::wants_server_body(type, static_cast<std::uint32_t>(body.size()))) {
      tracker.on_server_body(type, as_bytes(body));
    } else {
      tracker.on_server_frame(type);
    }
  }

  Dice dice_;
  std::deque<Sent> to_server_, to_client_;
  Mode mode_ = Mode::normal;
  bool open_ = false;  // something extended since the last Sync
  char status_ = 'I';
  bool copying_client_ = false;
};

}  // namespace sallyport::test
