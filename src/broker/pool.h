// The server connections of one (target, role): logged in ahead, handed to sessions, reset, kept, closed.
//
// `max` holds over all keys; a session that moves counts once, although it has two connections until it comes
// to a boundary, and its login may exceed `max` (else a full pool could not rotate). Who waits for
// one key is served in order, movers first. In a full pool the identities take turns: a place that comes free
// goes to the one that holds fewest, and nobody's storm of start-up options keeps another one out.
//
// At most logins_at_once_max logins of an identity are under way for its clients, so that a burst of clients does
// not become a burst of TLS handshakes. How long a login takes may be the client's choice (post_auth_delay), so
// nobody's slow ones hold up another identity's, nor sessions that move; and those ahead of demand hold up nobody.
// After the loss of a connection, and while an overdue renewal is under way, what is ready is handed to no new
// session (pool_pause.cpp).
//
// A login that fails fails all who wait for that key: they would meet the same error, and a direct connection
// would have told them at once. But for two errors: of a full server the queue waits for a connection of ours to come
// free (wait_for_room), and in transaction pooling for a primary that is being promoted (awaits_primary).
#pragma once

#include "broker/let_in.h"
#include "broker/pool_parts.h"
#include "broker/pool_status.h"
#include "broker/ports.h"
#include "broker/role_settings.h"
#include "broker/spare.h"
#include "broker/token_bucket.h"
#include "broker/trial.h"
#include "broker/upstream.h"
#include "credentials/slot.h"
#include "net/loop.h"
#include "policy/target.h"

#include <array>
#include <cstdint>
#include <functional>
#include <list>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

namespace sallyport::broker {

class Pool {
 public:
  static constexpr std::size_t logins_at_once_max = 2;  ///< of one identity, for one purpose
  static constexpr std::size_t logins_crowded = 8;      ///< from so many on: one each, none ahead of demand
  static constexpr std::size_t logins_in_all_max = 16;  ///< then also other identities' clients wait
  static constexpr std::size_t logins_beyond_max = 4;   ///< for moves: above that, and above `max`
  static constexpr std::size_t moves_at_once_max = 12;  ///< of one identity, whose time is short
  static constexpr std::size_t waiters_max = 10'000, waiters_of_identity_max = waiters_max / 2;
  static constexpr auto lag_max = std::chrono::seconds{1};
  static constexpr auto fresh_for = std::chrono::milliseconds{100};
  static constexpr auto reap_every = std::chrono::seconds{5};
  static constexpr auto probe_every = std::chrono::seconds{30};  ///< of silence
  static constexpr std::size_t endings_max = 64;
  static constexpr std::size_t left_max = 64;
  static constexpr unsigned given_up_max = 8;
  static constexpr auto given_up_within = std::chrono::seconds{10};
  static constexpr unsigned ended_behind_login_max = 3;
  static constexpr unsigned refreshes_at_once_max = 8;
  static constexpr auto refresh_every = std::chrono::seconds{10}, refreshes_apart = std::chrono::seconds{1};
  static constexpr auto look_every = std::chrono::seconds{1};
  /// Transaction pooling: clients wait so long for a primary to be promoted, and a login is tried so often.
  static constexpr auto primary_wait_max = std::chrono::seconds{10};
  static constexpr auto primary_look_every = std::chrono::milliseconds{500};
  static constexpr auto primary_forgotten_after = std::chrono::seconds{30};

  using TakeCallback = std::function<void(Result<UpstreamPtr>)>;
  using WaiterId = std::uint64_t;  ///< 0: answered at once

  struct Settings {
    std::string name;  ///< "production/app_rw", for messages
    std::shared_ptr<const Reach> reach;
    Role role;
    PoolSettings pool;
    postgres::LoginMethods methods;
    std::shared_ptr<postgres::StatementRegistry> statements =
        {};  ///< of the pool that it replaces; null: none
  };

  Pool(Settings settings, net::Loop& loop, Connector& connector, credentials::Slot& slot,
       Randomness& randomness);
  ~Pool();
  Pool(const Pool&) = delete;
  Pool& operator=(const Pool&) = delete;

  /// A ready connection, from within this call when there is one. `newer_than`: only of a later generation
  /// (a session that moves). Errors of the login; timed_out and limit_exceeded of the queue.
  WaiterId take(const PoolKey& key, MonotonicTime deadline, TakeCallback callback,
                std::uint64_t newer_than = 0);
  void cancel(WaiterId waiter);

  /// Transaction pooling: a connection that is ready now and nobody waits for. Null: take() has to wait for one.
  UpstreamPtr try_take(const PoolKey& key);
  /// Transaction pooling: between two transactions, with nothing on it that the next one must not find.
  void put_back(UpstreamPtr upstream);
  /// What a client of this key is told at its start; null unless a connection of it stands logged in.
  [[nodiscard]] std::shared_ptr<const Greeting> greeting_of(const PoolKey& key) const;
  /// The statements that sessions of this pool have prepared, and of those that it has replaced.
  [[nodiscard]] const std::shared_ptr<postgres::StatementRegistry>& statements() const { return statements_; }

  /// The session ended at a boundary: reset it and keep it.
  void give_back(UpstreamPtr upstream);
  /// It is of no more use: close it. Its place is free. `whole`: what it was sent ends between two messages, so
  /// that a farewell is not taken for the rest of one.
  void discard(UpstreamPtr upstream, bool whole = true);

  /// The session has let go of the connection that this one replaces.
  void on_move_done(Upstream& upstream);

  /// The server has ended a connection of ours. Whoever did may be about to end the others.
  /// `identity`: whose session had it.
  void note_loss(const std::string& identity);

  /// A cancel for this connection has run out; if it is a spare by now, it may be taken again. `at_large`: it is closed
  /// instead, as the cancel may come yet.
  void on_cancel_done(std::uint64_t connection, bool at_large = false);

  /// Ready connections of older generations are closed, and as many opened anew.
  void on_new_generation(std::uint64_t number);

  /// The credential of this generation ends: also sessions that begin on it later have to know.
  void note_ending(std::uint64_t generation, CredentialEnd end);
  [[nodiscard]] std::optional<CredentialEnd> ending_of(std::uint64_t generation) const;
  /// Sessions wait to be moved, and an end is so near that others had better leave them the processors.
  [[nodiscard]] bool moves_press() const;
  /// How near that is: with more sessions earlier. 1.5 to 5 s.
  [[nodiscard]] Duration press_ahead() const;

  /// An operator's pause: who does not have a connection yet waits in the queue; sessions still move.
  void hold_newcomers(bool held);
  /// Ready connections are closed now, those in use when they come back; who comes next waits for a new one.
  void reconnect();

  /// Logs `min_ready` connections in for this key before anybody asks. `done` hears of the first login.
  void warm(const PoolKey& key, std::function<void(Result<void>)> done);

  void keep_ready(const PoolKey& key);  ///< `min_ready` of them, from now on
  /// This identity needs a database for itself: ready connections to it are closed, in a turn of its own, and none is
  /// kept until a client asks for it. Others' connections no oftener than given_up_max times in given_up_within.
  void give_up(const std::string& database, const std::string& identity);
  /// This identity has changed what sessions begin with: reconnect(), in a turn of its own; for itself at once, for others
  /// refreshes_apart, and behind refreshes_at_once_max of these once in refresh_every; for nobody before logins are tried.
  void refresh(const std::string& identity);
  /// Whether this identity has been here.
  [[nodiscard]] bool has_seen(const std::string& identity) const { return shares_.contains(identity); }
  [[nodiscard]] std::size_t keys_known() const { return subs_.size(); }
  /// What was had lately and is kept ready, the latest first.
  [[nodiscard]] std::vector<PoolKey> seen_keys(std::size_t keys_max) const;

  /// No new logins; closes what is ready.
  void stop();
  /// Who uses it goes on, nothing is kept ready any more: its target was replaced, or nobody else will come.
  void close_when_idle(bool replaced = true);
  /// Its target was: there is another pool of its name.
  [[nodiscard]] bool is_replaced() const { return replaced_; }
  /// Connections that exist to this address are of no more use: its server is not of the kind that is wanted, or
  /// cannot be reached while another one is the primary. Ready ones are closed, those in use when they come back.
  void leave(const net::Address& address);
  /// How the server is reached with this generation.
  /// Errors  bad_config: neither the target nor the secret names a host.
  [[nodiscard]] Result<std::shared_ptr<const Reach>> reach_for(
      const credentials::Generation& generation) const;
  [[nodiscard]] Result<std::shared_ptr<const Reach>> reach_by(
      const credentials::Generation& generation) const;
  void set_reach(std::shared_ptr<const Reach> reach) { settings_.reach = std::move(reach); }  ///< read anew

  void note_transaction(Duration took) { totals_.transaction.add(took); }
  [[nodiscard]] PoolStatus status() const;
  [[nodiscard]] std::size_t total() const { return in_use_ + connecting_ + spares_ - moving_; }  ///< of `max`
  [[nodiscard]] std::size_t connections() const { return in_use_ + spares_; }
  [[nodiscard]] const Settings& settings() const { return settings_; }

 private:
  using SpareList = pool_parts::SpareList;
  using Waiter = pool_parts::Waiter;
  using Share = pool_parts::Share;
  using Sub = pool_parts::Sub;
  using Purpose = pool_parts::Purpose;
  using Standing = pool_parts::Standing;
  using Attempt = pool_parts::Attempt;

  [[nodiscard]] Error stopping() const;
  Sub& sub_of(const PoolKey& key);
  void close_given_up(const std::string& database, const std::string& identity);
  void close_spares(Sub& sub);
  [[nodiscard]] bool tries_logins() const;
  bool refresh_all();
  void refresh_others_later();
  void forget_profiles(pool_parts::Shelf& shelf);
  void forget_unneeded();
  void forget(Sub& sub);
  [[nodiscard]] bool keeps_ready(const Sub& sub) const;
  [[nodiscard]] bool runs_short(const Sub& sub) const;
  void count(Sub& sub, std::size_t Sub::*which, int by);
  void count_login(const Attempt& attempt, int by);
  SpareList::iterator find_ready(Sub& sub, std::uint64_t newer_than);
  UpstreamPtr take_ready(Sub& sub, std::uint64_t newer_than);
  [[nodiscard]] bool usable(const Sub& sub, const Upstream& upstream) const;
  [[nodiscard]] std::uint64_t epoch_of(const Sub& sub) const { return epoch_ + sub.epoch; }
  bool pauses();
  void await_renewal();
  [[nodiscard]] bool suits(const Upstream& upstream) const;
  void look_back(const Upstream& upstream);
  [[nodiscard]] std::size_t usable_spares(const Sub& sub) const;

  WaiterId enqueue(Sub& sub, MonotonicTime deadline, TakeCallback callback, std::uint64_t newer_than);
  Waiter leave(Standing standing);
  void pump();
  void pump_once();
  bool serve_one(), serve_one_of(bool movers);
  [[nodiscard]] bool yields(const Sub& sub);
  [[nodiscard]] bool needs_login(const Sub& sub) const;
  void line_up(Sub&sub), step_out(Sub&sub);
  Sub* first_in_line(Share& share);
  Share* hungriest();
  [[nodiscard]] bool may_log_in(Share& share, Purpose purpose) const;
  [[nodiscard]] std::size_t moves_at_once() const, places_beyond() const;
  [[nodiscard]] Duration until_next_ending() const;
  bool log_in_for_mover(), log_in_for_newcomer(), log_in_ahead();
  bool make_room(const Sub* for_sub);
  bool wait_for_room(Sub& sub, const Error& error);
  void connect(Attempt attempt);
  void ask_for_credential(const Attempt& attempt);
  void on_credential(Attempt attempt, Result<credentials::GenerationPtr> generation);
  void log_in(const Attempt& attempt, credentials::GenerationPtr generation);
  void abandon(const Attempt& attempt);
  void on_connected(Attempt attempt, const credentials::GenerationPtr& generation,
                    const std::shared_ptr<const Reach>& reach, credentials::Hold hold,
                    Result<Connected> connected);
  void hold_back(Sub& sub);
  void on_attempt_failed(const Attempt& attempt, const Error& error);
  [[nodiscard]] bool awaits_primary(const Error& error);
  void fail_waiters(Sub& sub, const Error& error, bool movers_only = false);
  void on_wait_over(WaiterId id);
  [[nodiscard]] Error waited_in_vain(Duration waited) const;
  void note_greeting(Sub& sub, Upstream& upstream, const postgres::Parameters& parameters);
  enum class Arrival { login, between_transactions, after_session };
  void add_spare(Sub& sub, UpstreamPtr upstream, Arrival arrival);
  void ask_after_login(Spare& spare);
  void on_login_answer(Upstream& upstream, std::optional<std::vector<std::string>> rows);
  void remove_spare(Spare& spare);
  SpareList::iterator drop_spare(Sub& sub, SpareList::iterator at);
  void reap();
  void bury(std::unique_ptr<Spare> spare);
  void close_politely(Upstream& upstream);
  [[nodiscard]] bool full() const { return total() >= settings_.pool.max; }
  [[nodiscard]] bool refuses_only_this(const Sub& sub, const Error& error) const;

  Settings settings_;
  net::Loop& loop_;
  Connector& connector_;
  credentials::Slot& slot_;
  Randomness& randomness_;
  std::map<PoolKey, std::unique_ptr<Sub>> subs_;
  std::map<std::uint64_t, Sub*> stocked_;  // those that have spares
  std::vector<Sub*> short_;                // those that may need a login ahead of demand
  std::map<std::string, Share> shares_;    // by identity
  std::map<WaiterId, Standing> waiters_;
  std::set<WaiterId> movers_;  // of the waiters; each has a connection, so `max` bounds them
  std::uint64_t next_sub_ = 1;
  WaiterId next_waiter_ = 1;
  std::size_t forget_at_ = 0;  // so many keys, at which unneeded ones are looked for
  std::size_t in_use_ = 0, connecting_ = 0, spares_ = 0, moving_ = 0;
  std::uint64_t newest_generation_ = 0, epoch_ = 0;  // connections of earlier ones are of no more use
  std::map<std::uint64_t, CredentialEnd> endings_;   // of the latest generations
  Trial trial_{loop_};
  LetIn let_in_;
  MonotonicTime paused_until_{}, server_full_until_{};  // the latter: nothing is logged in ahead before
  bool awaits_renewal_ = false, renewal_given_up_ = false, held_ = false, stopped_ = false, replaced_ = false;
  bool pumping_ = false, pump_again_ = false;
  std::vector<std::pair<net::Address, MonotonicTime>> left_;  // of leave(), since when
  std::optional<MonotonicTime> no_primary_since_;
  MonotonicTime next_look_{}, no_primary_seen_{}, given_up_since_{};
  unsigned given_up_ = 0;  // since then, of others
  TokenBucket refreshes_, told_changes_;
  MonotonicTime refreshed_at_{};
  bool refresh_is_due_ = false;
  unsigned untold_changes_ = 0;  // of roles' settings
  std::shared_ptr<postgres::StatementRegistry> statements_;
  RoleSettings role_settings_;
  PoolStatus totals_;
  net::TimerId reaper_;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);  // callbacks of others outlive us
};

}  // namespace sallyport::broker
