// What a pool is made of: who waits, one key's connections, one identity's part. Private to the pool.
//
// A key is forgotten when nothing stands on it and nobody is expected (pool_keys.cpp), so that whoever sends new keys
// without end makes nothing grow. The profiles (sets of start-up parameters) of one identity in one database stand on a
// shelf of their own: their number is the client's choice, and may cost nobody else a connection.
#pragma once

#include "broker/ports.h"
#include "broker/spare.h"
#include "broker/trial.h"
#include "broker/upstream.h"
#include "net/loop.h"

#include <array>
#include <cstdint>
#include <functional>
#include <list>
#include <map>
#include <memory>
#include <optional>
#include <string>

namespace sallyport::broker::pool_parts {

using SpareList = std::list<std::unique_ptr<Spare>>;

struct Waiter {
  std::uint64_t id = 0;
  std::uint64_t newer_than = 0;
  MonotonicTime since{};
  std::function<void(Result<UpstreamPtr>)> callback;
  net::TimerId timer;
};

enum class Purpose : std::uint8_t { newcomer, move, ahead };

struct Sub;

/// The keys of one identity and one database.
struct Shelf {
  std::map<std::uint64_t, Sub*> subs;  // by number
  std::size_t forget_at = 0;           // so many, at which old ones are looked for
};

/// One identity's part of the pool.
struct Share {
  std::map<std::string, Shelf> shelves;  // by database
  std::size_t held = 0;                  // in use, or being logged in
  std::size_t spares = 0;
  std::array<std::size_t, 3> logins{};  // under way, by purpose
  std::size_t waiting = 0;
  MonotonicTime next_pause{};
  std::list<Sub*> line;  // those that may need a login, in the order in which they began to
  std::size_t& logins_for(Purpose purpose) { return logins.at(static_cast<std::size_t>(purpose)); }
};

/// One key's.
struct Sub {
  std::uint64_t number = 0;
  PoolKey key;
  Share* share = nullptr;
  Shelf* shelf = nullptr;
  SpareList spares;                                // resetting and ready, oldest first
  std::list<Waiter> movers, newcomers;             // in order
  std::optional<std::list<Sub*>::iterator> place;  // in the line
  std::size_t in_use = 0, connecting = 0;
  std::shared_ptr<const Greeting> greeting;
  MonotonicTime last_taken{};
  std::uint64_t epoch = 0;          // as its pool's, of this key alone
  unsigned ended_behind_login = 0;  // connections in a row, before they had answered anything
  bool warm = false;                // a client has had one, or is expected
  bool refused = false;             // the server refuses what this key asks for, until it lets a client in
  bool given_up = false;            // somebody needs its database alone, until a client asks for it
  bool listed = false;              // among those that may run short
  bool server_full = false;         // it had no place for one more; ours come free
  bool held_back = false;           // after a failure or a loss: no login ahead of demand for a while
  /// Its connections are one session's each, never shared, reset or logged in ahead.
  [[nodiscard]] bool is_own() const { return key.replication != policy::Replication::none; }
  [[nodiscard]] std::size_t waiting() const { return movers.size() + newcomers.size(); }
  [[nodiscard]] bool unused() const { return in_use == 0 && connecting == 0 && waiting() == 0; }
};

/// Where a waiter stands.
struct Standing {
  Sub* sub = nullptr;
  std::list<Waiter>* queue = nullptr;
  std::list<Waiter>::iterator at;
};

/// A login under way.
struct Attempt {
  Sub* sub = nullptr;
  Purpose purpose = Purpose::newcomer;
  bool retried = false;
  std::function<void(Result<void>)> done;
  std::uint64_t epoch = 0;   ///< when it began: reconnect() ends one
  std::uint64_t newest = 0;  ///< generation then
  Trial::Turn turn = 0;
};

}  // namespace sallyport::broker::pool_parts
