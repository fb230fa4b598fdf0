// What is behind Slot. Private to this folder.
//
// The shape: whatever happens (a caller, a report, a timer, a conversation's end) changes plain data and then
// calls pump(), which looks at the clock, ends what has expired, answers who can be answered, starts the most
// urgent conversation if none runs, and sets one timer for the next moment at which any of this would change.
// Outside code is only called from the outbox, once the state is consistent.
#pragma once

#include "credentials/schedule.h"
#include "credentials/slot.h"

#include <deque>
#include <map>
#include <memory>
#include <set>

namespace sallyport::credentials {

/// A retry may cure it: callers whose deadline allows may wait for one. Every other failure is told at once.
constexpr bool is_transient(ErrorCode code) {
  return code == ErrorCode::retry_later || code == ErrorCode::timed_out;
}

class SlotState : public std::enable_shared_from_this<SlotState> {
 public:
  SlotState(std::unique_ptr<secrets::SourceSession> session, SlotOptions options, Timers& timers,
            Runner& runner, LeaseJournal& journal, Observer& observer, Randomness& randomness);

  // Slot's own functions; see there.
  Slot::WaiterId get(MonotonicTime deadline, Slot::GetCallback callback, Slot::ErrorsTold told);
  void cancel(Slot::WaiterId waiter);
  [[nodiscard]] GenerationPtr current() const;
  [[nodiscard]] bool is_blocked() const;
  Hold hold(const GenerationPtr& generation);
  void report_login_succeeded(std::uint64_t number);
  void report_login_failed(std::uint64_t number, std::string_view sqlstate, std::string_view said);
  void report_role_changed(std::uint64_t number, std::string text);
  void prefetch();
  void try_again();
  void check_now();
  bool renews_first();
  void shutdown(Duration limit, std::function<void(ShutdownReport)> done);
  void revoke_orphan(Lease lease, std::function<void(Result<void>)> done);
  [[nodiscard]] std::optional<WallTime> expiry_of(std::uint64_t number) const;
  [[nodiscard]] const SlotCounters& counters() const { return counters_; }
  [[nodiscard]] SlotStatus status() const;

  /// The Slot is gone: nothing outside is touched or called any more.
  void detach();

  /// A Hold ends.
  void release(std::uint64_t number);

 private:
  /// A generation that may be in use.
  struct Live {
    GenerationPtr generation;
    std::optional<Lease> lease;  ///< as it stands now
    std::optional<Moment>
        expires;  ///< a lease's, the earliest that it may be: nothing begins with it behind that
    std::optional<Moment> latest_end;  ///< a lease's, if it was granted just before the reply came
    Duration granted{};                ///< the first grant: what renewals are compared with
    Duration lifetime{};               ///< the last grant
    Moment fetched_at{};
    std::optional<Moment> renew_at;      ///< none: not any more
    std::optional<Moment> successor_at;  ///< when the next one should be fetched while this is current
    std::optional<Moment> ending_at;     ///< when its sessions are told, once there is a successor to move to
    std::optional<Moment> ending_latest;  ///< when they are told in any case; leased ones only, both
    unsigned renewal_failures = 0;
    std::size_t holders = 0;
    bool refused = false;  ///< by the database, since it was fetched last
    bool ending_told = false;
    Duration doubt{};     ///< what sessions were told with that: it may live so much beyond `expires`
    bool capped = false;  ///< what the lease hangs on ends before it would: renewing is no use
  };

  /// A lease that nobody needs any more.
  struct Ending {
    GenerationPtr generation;  ///< null: an orphan of a dead run, or one never used
    Lease lease;
    std::string user;
    std::optional<Moment> dies;  ///< none: unknown (orphans)
    MonotonicTime not_before{};
    MonotonicTime held_until{};  ///< till then what must be in time goes first
    unsigned failures = 0;
    bool journalled = false;
    bool given_up = false;                   ///< the manager said no: it dies by itself
    std::string reason;                      ///< of the last failure
    std::function<void(Result<void>)> done;  ///< orphans only
  };

  struct Waiter {
    MonotonicTime since;
    MonotonicTime deadline;
    Slot::GetCallback callback;
    Slot::ErrorsTold told = Slot::ErrorsTold::by_slot;
    std::optional<Result<GenerationPtr>> answer;  ///< decided, on its way through the outbox
  };

  enum class JobKind { keep_alive, pending_fetch, urgent_fetch, renew, fetch, revoke, close, none };
  struct Job {
    JobKind kind = JobKind::none;
    std::uint64_t id = 0;  ///< renew: generation; revoke: key of endings_
    Duration ready_in = Duration::max();
  };

  // slot_pump.cpp: the clockwork and the outbox.
  void pump();
  void note_time(Moment now);
  [[nodiscard]] Duration until_next_change(Moment now) const;
  void arm(Moment now);
  void drain();
  void post(std::function<void()> call) { outbox_.push_back(std::move(call)); }
  [[nodiscard]] std::uint64_t random();
  void warn(std::string text);
  void warn_once(const std::string& text);
  void mark_overdue(Moment now);
  [[nodiscard]] bool renews_first(Moment now) const {
    return renew_first_until_ && now.mono < *renew_first_until_;
  }
  [[nodiscard]] std::string about(std::string text) const;

  // slot_expire.cpp: what is over, and who is told.
  void expire(Moment now);
  void expire_endings(Moment now);
  void expire_generation(std::uint64_t number, Moment now);
  void expire_waiters(Moment now);
  [[nodiscard]] std::optional<Moment> tell_at(std::uint64_t number, const Live& live) const;
  void tell_ending(Live& live, Moment deadline);
  void tell_gone(const GenerationPtr& generation);

  // slot_jobs.cpp: which conversation is next.
  [[nodiscard]] std::vector<Job> jobs(Moment now) const;
  [[nodiscard]] bool is_pressed(Moment now) const;
  void add_fetch_job(Moment now, std::vector<Job>& out) const;
  void add_shutdown_jobs(Moment now, std::vector<Job>& out) const;
  [[nodiscard]] Job urgent_job(Moment now) const;
  void start(const Job& job, Moment now);
  void run(std::unique_ptr<Conversation> conversation,
           void (SlotState::*ended)(std::uint64_t id, Moment started, Result<void> result,
                                    Conversation* conversation),
           std::uint64_t id, Moment started);

  // slot_callers.cpp: who asks.
  [[nodiscard]] const Live* usable(Moment now) const;
  Live* find(std::uint64_t number);
  [[nodiscard]] std::optional<Error> held_back(Moment now, MonotonicTime deadline) const;
  [[nodiscard]] Error refused_error(Moment now) const;
  void settle_waiters(Moment now);
  void answer(Slot::WaiterId id, Waiter& waiter, Result<GenerationPtr> result);
  void answer_all(const Error& error);

  // slot_fetch.cpp: the fetch they share.
  void start_fetch(Moment now);
  void fetch_ended(std::uint64_t id, Moment started, Result<void> result, Conversation* conversation);
  void fetch_sooner();
  void report_source_events();
  void fetch_failed(Error error, Moment now);
  void accept(secrets::Fetched fetched, Moment started, Moment now);
  std::optional<Error> check_fetched(const secrets::Fetched& fetched, const std::optional<Moment>& expires,
                                     Moment now);
  void accept_same(const secrets::Fetched& fetched, const std::optional<Moment>& expires, Moment started,
                   Moment now);
  void install(secrets::Fetched fetched, const std::optional<Moment>& expires, Moment started, Moment now);
  void discard(const Credential& credential, Moment now);

  // slot_refusal.cpp: what the database says to it.
  void newest_word_refused(Moment now);
  void start_pending(Moment now);
  void pending_ended(std::uint64_t id, Moment started, Result<void> result, Conversation* conversation);
  void login_refused_again(Moment now);

  // slot_lease.cpp: schedules, renewals, keep-alive.
  void schedule(Live& live, const std::optional<Duration>& refetch_after, Moment now);
  [[nodiscard]] Moment in_time_of(const Live& live) const;
  void make_final(Live& live, Moment from);
  void set_ending(Live& live, Moment from);
  void start_renewal(std::uint64_t number, Moment now);
  void renewal_ended(std::uint64_t number, Moment started, Result<void> result, Conversation* conversation);
  void renewal_failed(Live& live, const Error& error, Moment now);
  static Moment end_after_renewal(const Live& live, Moment started, Duration duration, Moment now);
  void renewed_too_late(Lease lease, Moment dies);
  void start_keep_alive(Moment now);
  void keep_alive_ended(std::uint64_t id, Moment started, Result<void> result, Conversation* conversation);

  // slot_end.cpp: revocations and shutdown.
  void end_if_unused(std::uint64_t number);
  void add_ending(Ending ending);
  void start_revocation(std::uint64_t key, Moment now);
  void revocation_ended(std::uint64_t key, Moment started, Result<void> result, Conversation* conversation);
  void revocation_failed(Ending& ending, const Error& error, Moment now);
  void revoked(std::uint64_t key);
  void start_close(Moment now);
  void close_ended(std::uint64_t id, Moment started, Result<void> result, Conversation* conversation);
  void finish_shutdown_if_done();
  void finish_shutdown();

  std::shared_ptr<secrets::SourceSession>
      session_;  ///< shared with a conversation in flight, which borrows it
  SlotOptions options_;
  Timers& timers_;
  Runner& runner_;
  LeaseJournal& journal_;
  Observer& observer_;
  Randomness& randomness_;
  SlotCounters counters_;

  std::map<std::uint64_t, Live> live_;
  std::uint64_t current_ = 0;
  std::uint64_t last_number_ = 0;
  std::map<std::uint64_t, Ending> endings_;
  std::uint64_t last_ending_ = 0;
  std::map<Slot::WaiterId, Waiter> waiters_;
  Slot::WaiterId last_waiter_ = 0;
  std::size_t waiting_ = 0;  ///< of waiters_, those without an answer

  bool busy_ = false;       ///< a conversation runs
  bool fetching_ = false;   ///< it is a fetch
  GenerationPtr renewing_;  ///< whose renewal runs
  bool prefetch_ = false;
  std::optional<Duration> whole_life_;              ///< of the latest lease whose renewals met its maximum
  std::optional<MonotonicTime> renew_first_until_;  ///< the clock jumped over a renewal that has not ended
  unsigned fetch_failures_ = 0;                     ///< in a row
  std::optional<Error> last_error_;
  MonotonicTime fetch_not_before_{}, awaited_not_before_{};  ///< the latter: while somebody waits
  unsigned keep_alive_failures_ = 0;
  MonotonicTime keep_alive_not_before_{};
  std::optional<secrets::SuppliedEndpoint> endpoint_;  ///< pinned

  unsigned refusals_ = 0;  ///< logins refused in a row, over generations
  std::string refusal_sqlstate_;
  std::string refusal_said_;
  std::unique_ptr<secrets::FetchConversation> pending_;  ///< of the source's next version, before it runs
  bool pending_tried_ = false;                           ///< since the first of these refusals
  bool accepted_ever_ = false;                           ///< some login with some generation succeeded
  MonotonicTime refused_at_{};
  MonotonicTime blocked_until_{};  ///< no fetch and no login before
  bool probation_ = false;         ///< the current generation follows a refusal: one caller at a time
  MonotonicTime probation_since_{};
  std::optional<MonotonicTime> trial_until_;  ///< somebody is trying it

  bool shutting_down_ = false;
  bool shutdown_over_ = false;
  bool close_tried_ = false;
  MonotonicTime shutdown_deadline_{};
  std::function<void(ShutdownReport)> shutdown_done_;
  ShutdownReport report_;

  std::deque<std::function<void()>> outbox_;
  bool draining_ = false;
  bool detached_ = false;
  TimerId timer_ = 0;
  std::optional<MonotonicTime> armed_for_;
  std::optional<Moment> last_seen_;
  std::set<std::string> warned_;  ///< said once, at most warnings_max of them
  std::string last_failure_text_;
};

}  // namespace sallyport::credentials
