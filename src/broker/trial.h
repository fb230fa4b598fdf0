// Who may log in with a credential that has not let anybody in yet: one at a time, until one has been let in.
//
// Should it be wrong, the server hears of it once, and not once for each client that waits: many lock an account after
// a few failures. Whoever has the turn and does not come to an end (how long a login takes may be the client's choice)
// keeps it for a moment only; the next one is of an identity that has had none, if such a one waits.
#pragma once

#include "net/loop.h"

#include <cstdint>
#include <functional>
#include <list>
#include <set>
#include <string>

namespace sallyport::broker {

class Trial {
 public:
  /// A login takes milliseconds; one that takes longer costs the others so much of each new credential's life.
  static constexpr auto turn_max = std::chrono::seconds{1};

  using Turn = std::uint64_t;            ///< 0: anybody's, it is no trial any more
  using Go = std::function<void(Turn)>;  ///< logs in

  /// `loop` outlives it.
  explicit Trial(net::Loop& loop) : loop_(loop) {}
  ~Trial();
  Trial(const Trial&) = delete;
  Trial& operator=(const Trial&) = delete;

  /// Calls `go`: from within this call, or when it is its turn. Who waits for a generation goes, too, when there is a
  /// later one: it looks whether its own is still of use.
  void enter(std::uint64_t generation, const std::string& identity, Go go);
  /// A login with this generation has succeeded: all go.
  void pass(std::uint64_t generation);
  /// The login that had this turn has failed: the next one goes. Another turn, or 0: nothing happens.
  void over(Turn turn);
  /// Nobody waits any more.
  void let_all_go();

 private:
  struct Waiting {
    std::string identity;
    Go go;
  };
  void begin(const std::string& identity);
  void next();

  net::Loop& loop_;
  std::uint64_t generation_ = 0;  // the latest one
  std::uint64_t passed_ = 0;      // the latest one that has let somebody in
  Turn turn_ = 0;                 // under way; 0: nobody's
  Turn last_turn_ = 0;
  net::TimerId timer_;
  std::list<Waiting> line_;
  std::set<std::string> had_one_;  // identities, a turn with this generation
};

}  // namespace sallyport::broker
