// The credential of one (target, role): fetched once for all who ask, kept alive, replaced, ended.
//
// A slot owns a SourceSession and runs at most one of its conversations at a time. Whoever needs to log in
// asks get(); whoever has logged in keeps a Hold, so that the generation's lease lives as long as the
// connection does. When a credential is replaced, new sessions get the new generation at once; the replaced
// one stays leased and renewed until its last Hold goes, or until it can be renewed no longer, of which the
// observer is told early enough to move sessions at transaction boundaries.
//
// All of a slot runs on one thread and does no IO of its own: see ports.h. Callbacks may call back into the
// slot, and may destroy it.
#pragma once

#include "base/histogram.h"
#include "credentials/generation.h"
#include "credentials/lease_journal.h"
#include "credentials/ports.h"

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace sallyport::credentials {

class SlotState;

/// Callers that may wait for one fetch at the same time; one more is refused at once.
inline constexpr std::size_t slot_waiters_max = 100'000;

/// Something that an attacker, or a person behind our back, may have done.
struct SecurityEvent {
  enum class Kind {
    credential_changed_outside,  ///< the database refuses a credential that the source has just given (threat 5)
    endpoint_changed,            ///< a refetched secret points elsewhere than the first one (threat 3)
    role_changed_outside,  ///< the settings of the database's user were changed in the server (threat 5)
    unwrap_failed,         ///< a secret of the manager's was opened before us, or wrapped elsewhere
  };
  Kind kind;
  std::uint64_t generation = 0;  ///< the one it is about; 0: none was made
  std::string text;              ///< what was seen, what was expected, how to fix it; no secret
};

/// "credential_changed_outside", "endpoint_changed", "role_changed_outside", "unwrap_failed".
std::string_view name_of(SecurityEvent::Kind kind);

/// Is told what happens to a slot's generations. Every call comes on the slot's thread, from its event loop
/// turn, after the slot's own state is consistent.
class Observer {
 public:
  virtual ~Observer() = default;

  /// `generation` is what get() answers from now on.
  virtual void on_new_generation(GenerationPtr generation) { (void)generation; }

  /// `generation` cannot be renewed beyond `deadline`: its sessions must have moved or ended by then. Comes at
  /// most once per generation, and only for leased ones (an expired token does not end sessions).
  /// `doubt`: it may live this much longer, as its manager's last answer was slow.
  virtual void on_generation_ending(GenerationPtr generation, Moment deadline, Duration doubt) {
    (void)generation, (void)deadline, (void)doubt;
  }

  /// The lease of `generation` was revoked or has expired, or nobody holds an unleased one any more.
  virtual void on_generation_gone(GenerationPtr generation) { (void)generation; }

  /// For the operator; no secret.
  virtual void on_warning(const std::string& text) { (void)text; }

  virtual void on_security_event(const SecurityEvent& event) { (void)event; }
};

/// Keeps a generation leased while it exists. Move-only; outliving the slot is harmless.
class Hold {
 public:
  Hold() = default;
  ~Hold() { release(); }
  Hold(Hold&& other) noexcept;
  Hold& operator=(Hold&& other) noexcept;
  Hold(const Hold&) = delete;
  Hold& operator=(const Hold&) = delete;

  /// Lets go early; a second call does nothing.
  void release();

  /// Empty: nothing is held.
  explicit operator bool() const { return generation_ != nullptr; }
  [[nodiscard]] const GenerationPtr& generation() const { return generation_; }

 private:
  friend class SlotState;
  Hold(std::weak_ptr<SlotState> slot, GenerationPtr generation)
      : slot_(std::move(slot)), generation_(std::move(generation)) {}

  std::weak_ptr<SlotState> slot_;
  GenerationPtr generation_;
};

struct SlotOptions {
  std::string name;  ///< "production/app_rw": for texts

  /// Refetch of what has neither lease, expiry nor the source's own refetch_after. Files: a few seconds.
  Duration poll_every = std::chrono::minutes{5};

  /// Use a credential although the journal could not be written. A choice, never the default.
  bool journal_best_effort = false;
};

/// Grow only; for metrics and tests.
struct SlotCounters {
  std::uint64_t fetches = 0;  ///< conversations started, polls included
  std::uint64_t fetch_failures = 0;
  std::uint64_t generations = 0;
  std::uint64_t renewals = 0;
  std::uint64_t renewal_failures = 0;
  std::uint64_t keep_alives = 0;
  std::uint64_t keep_alive_failures = 0;
  std::uint64_t revocations = 0;  ///< leases that were ended by us
  std::uint64_t revocation_failures = 0;
  std::uint64_t logins_refused = 0;  ///< reports of 28P01/28000 about the generation then current
  std::uint64_t waits_timed_out = 0;
  Histogram fetch_duration;  ///< of fetches that succeeded
};

/// One generation that may be in use; a copy.
struct GenerationStatus {
  std::uint64_t number = 0;
  bool current = false;
  std::string user;  ///< the credential's; empty: it has none
  Duration age{};
  std::optional<Duration> lease_left;  ///< none: it does not end
  std::size_t holders = 0;             ///< connections that were logged in with it
  bool refused = false;                ///< by the database, since it was fetched last
};

/// What an operator may see of a slot; a copy.
struct SlotStatus {
  std::uint64_t current = 0;  ///< generation number; 0: none
  std::optional<WallTime> current_expires;
  std::size_t live_generations = 0;           ///< current and replaced ones
  std::vector<GenerationStatus> generations;  ///< those, oldest first
  std::size_t holders = 0;
  std::size_t waiters = 0;
  std::optional<Error>
      last_error;  ///< of the last fetch, until one succeeds; of a refusal, while it holds back
  std::optional<Duration> next_attempt_in;  ///< set while fetches are held back
};

/// A lease that we leave behind.
struct Unrevoked {
  std::string lease_id;
  std::string user;
  std::optional<WallTime> dies_at;  ///< when it ends by itself
  std::string reason;               ///< why it was not revoked
};

struct ShutdownReport {
  std::size_t revoked = 0;
  std::vector<Unrevoked> unrevoked;
};

class Slot {
 public:
  using GetCallback = std::function<void(Result<GenerationPtr>)>;
  enum class ErrorsTold { by_slot, by_caller };
  using WaiterId = std::uint64_t;  ///< 0: was answered at once

  /// `timers`, `runner`, `journal`, `observer` and `randomness` outlive the slot.
  Slot(std::unique_ptr<secrets::SourceSession> session, SlotOptions options, Timers& timers, Runner& runner,
       LeaseJournal& journal, Observer& observer, Randomness& randomness);
  ~Slot();  ///< without shutdown() leases are left to the journal
  Slot(const Slot&) = delete;
  Slot& operator=(const Slot&) = delete;

  /// Answers with the current generation: from within this call when it is usable, else when the one fetch that
  /// all callers share has ended, at the latest at `deadline`. Transient failures are retried until then.
  ///
  /// Errors  the source's own (denied, bad_config, …); denied, hop login: the database refuses what the source
  ///         gives, and the back-off has not ended; timed_out: `deadline`; limit_exceeded: slot_waiters_max;
  ///         cancelled: shutdown.
  ///
  /// `told`: by_caller says that the caller tells people of an error itself; the observer is then not warned of
  /// one that only such callers get.
  WaiterId get(MonotonicTime deadline, GetCallback callback, ErrorsTold told = ErrorsTold::by_slot);

  /// Forgets a waiting caller without calling it back. Unknown ids are ignored.
  void cancel(WaiterId waiter);

  /// The usable current generation, or null. Never starts anything.
  [[nodiscard]] GenerationPtr current() const;

  /// The database has refused what the source gives: no login is tried for a while.
  [[nodiscard]] bool is_blocked() const;

  /// Keeps `generation` leased. Empty when it is gone already: get() another.
  [[nodiscard]] Hold hold(const GenerationPtr& generation);

  /// The database accepted a login with this generation: call it after every successful login.
  /// After a refusal only one caller at a time is given the next generation, until one has succeeded. A refusal of
  /// this generation is forgotten, unless it was of a password.
  void report_login_succeeded(std::uint64_t generation);

  /// A login with this generation failed. Only 28P01 and 28000 about the current generation do anything: it is
  /// invalidated and fetched again once; get() then answers with the next one. If that is refused as well, an
  /// event is told and get() fails until a growing back-off ends. Other failures: call it too, so that the next
  /// caller may try sooner. `said`: the server's words, printable, for the error that callers get. 28000 from a
  /// database that never let anything of ours in is no event: nobody has changed anything.
  void report_login_failed(std::uint64_t generation, std::string_view sqlstate, std::string_view said = {});

  /// A login with this generation showed that its database user is not what it was. `text` is the event's.
  void report_role_changed(std::uint64_t generation, std::string text);

  /// Fetches if there is nothing usable, so that the first caller need not wait.
  void prefetch();

  /// A person says that it may work now: what a failed fetch or a refusal holds back is tried at once, with a fetch.
  void try_again();

  /// The clock may have jumped (SIGCONT, resume from suspend): overdue renewals come before serving.
  void check_now();

  /// Ends every lease and our own token, then calls `done`, at the latest after `limit`. Waiting callers get
  /// `cancelled`; get() fails from now on. A second call may bring the end forward; its `done` is not called.
  void shutdown(Duration limit, std::function<void(ShutdownReport)> done);

  /// Revokes a lease that a dead run left (orphans.h) through this slot's session, after more urgent work.
  void revoke_orphan(Lease lease, std::function<void(Result<void>)> done);

  /// An overdue renewal comes before anybody is served: of what is logged in already, nothing is handed out either.
  /// Until get() answers, which is soon also when the source does not.
  [[nodiscard]] bool renews_first();

  /// When the lease of a live generation ends as it stands now. None: it is gone, or does not end.
  [[nodiscard]] std::optional<WallTime> expiry_of(std::uint64_t generation) const;

  [[nodiscard]] const SlotCounters& counters() const;
  [[nodiscard]] SlotStatus status() const;

 private:
  std::shared_ptr<SlotState> state_;
};

}  // namespace sallyport::credentials
