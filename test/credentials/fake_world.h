// A world in memory for slots: virtual clocks, a scripted secret manager, and an observer that remembers.
#pragma once

#include "credentials/slot.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

namespace sallyport::credentials {

using namespace std::chrono_literals;

class VirtualTimers final : public Timers {
 public:
  TimerId after(Duration delay, std::function<void()> task) override {
    const TimerId id = ++last_;
    pending_.emplace(std::pair{now_.mono + delay, id}, std::move(task));
    return id;
  }
  void cancel(TimerId timer) override {
    std::erase_if(pending_, [timer](const auto& entry) { return entry.first.second == timer; });
  }
  [[nodiscard]] Moment now() const override { return now_; }

  /// Lets time pass on both clocks, firing what falls due in order.
  void advance(Duration duration) {
    const MonotonicTime end = now_.mono + duration;
    while (!pending_.empty() && pending_.begin()->first.first <= end) {
      auto entry = pending_.extract(pending_.begin());
      set_mono(std::max(now_.mono, entry.key().first));
      ++fired;
      entry.mapped()();
    }
    set_mono(end);
  }

  /// The machine sleeps, or somebody sets the clock: only wall time passes.
  void jump(Duration duration) { now_.wall += duration; }

  /// The process is stopped: time passes, and no timer fires.
  void stall(Duration duration) { set_mono(now_.mono + duration); }

  [[nodiscard]] std::size_t pending() const { return pending_.size(); }

  std::size_t fired = 0;

 private:
  void set_mono(MonotonicTime mono) {
    now_.wall += mono - now_.mono;
    now_.mono = mono;
  }

  Moment now_{WallTime{} + 1'700'000'000s, MonotonicTime{} + 1000s};
  std::map<std::pair<MonotonicTime, TimerId>, std::function<void()>> pending_;
  TimerId last_ = 0;
};

class SeededRandomness final : public Randomness {
 public:
  explicit SeededRandomness(std::uint64_t seed) : state_(seed * 2 + 1) {}
  void fill(MutableBytes out) override {
    for (auto& byte : out) byte = static_cast<std::uint8_t>(next() >> 56);
  }
  std::uint64_t next() {  // splitmix64
    std::uint64_t z = (state_ += 0x9e3779b97f4a7c15);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    return z ^ (z >> 31);
  }
  std::uint64_t below(std::uint64_t limit) { return next() % limit; }

 private:
  std::uint64_t state_;
};

/// What the runner ends; nobody resumes these step by step.
class AnyScripted {
 public:
  virtual ~AnyScripted() = default;
  virtual Result<void> finish() = 0;
};

class ScriptedFetch final : public secrets::FetchConversation, public AnyScripted {
 public:
  explicit ScriptedFetch(std::function<Result<secrets::Fetched>()> work) : work_(std::move(work)) {}
  Result<Action> resume(Input) override { return Done{}; }
  Result<void> finish() override {
    auto result = work_();
    if (!result) return result.error();
    fetched_ = std::move(*result);
    return {};
  }
  secrets::Fetched take() override { return std::move(fetched_); }

 private:
  std::function<Result<secrets::Fetched>()> work_;
  secrets::Fetched fetched_;
};

class ScriptedRenew final : public secrets::RenewConversation, public AnyScripted {
 public:
  explicit ScriptedRenew(std::function<Result<Lease>()> work) : work_(std::move(work)) {}
  Result<Action> resume(Input) override { return Done{}; }
  Result<void> finish() override {
    auto result = work_();
    if (!result) return result.error();
    lease_ = std::move(*result);
    return {};
  }
  Lease take() override { return lease_; }

 private:
  std::function<Result<Lease>()> work_;
  Lease lease_;
};

class ScriptedCall final : public Conversation, public AnyScripted {
 public:
  explicit ScriptedCall(std::function<Result<void>()> work) : work_(std::move(work)) {}
  Result<Action> resume(Input) override { return Done{}; }
  Result<void> finish() override { return work_(); }

 private:
  std::function<Result<void>()> work_;
};

/// A manager of leases with a maximum age, which can be told to fail.
struct FakeManager {
  explicit FakeManager(VirtualTimers& its_timers) : timers(its_timers) {}

  struct Issued {
    WallTime expires;
    WallTime max;
    std::string user;
    bool revoked = false;
  };

  [[nodiscard]] bool alive(const std::string& id) const {
    const auto found = leases.find(id);
    return found != leases.end() && !found->second.revoked && found->second.expires > timers.now().wall;
  }
  [[nodiscard]] bool user_alive(const std::string& user) const {
    return std::any_of(leases.begin(), leases.end(),
                       [&](const auto& entry) { return entry.second.user == user && alive(entry.first); });
  }
  [[nodiscard]] std::size_t alive_count() const {
    return static_cast<std::size_t>(
        std::count_if(leases.begin(), leases.end(), [&](const auto& entry) { return alive(entry.first); }));
  }

  Result<secrets::Fetched> issue() {
    const WallTime now = timers.now().wall;
    const std::string number = std::to_string(leases.size() + 1);
    const Duration duration = std::min(ttl, max_ttl);
    Lease lease;
    lease.id = "database/creds/app/" + number;
    lease.address = "https://vault.example:8200";
    lease.mount_and_role = "database/creds/app";
    lease.accessor = accessor;
    lease.duration = duration;
    lease.renewable = renewable;
    leases[lease.id] = {now + duration, now + max_ttl, "v-" + number};
    secrets::Fetched fetched;
    fetched.credential.user = "v-" + number;
    fetched.credential.secret = Secret::copy_of(std::string_view{"pw-" + number});
    fetched.credential.expires = now + duration;
    fetched.credential.lease = lease;
    fetched.endpoint = endpoint;
    return fetched;
  }

  Result<Lease> renew(const Lease& lease) {
    if (!alive(lease.id))
      return Error{ErrorCode::not_found, Hop::secret_source, "lease", "lease not found", "", ""};
    Issued& issued = leases[lease.id];
    const WallTime now = timers.now().wall;
    issued.expires = std::min(now + ttl, issued.max);
    Lease renewed = lease;
    renewed.duration = issued.expires - now;
    renew_times.push_back(now);
    return renewed;
  }

  Result<void> revoke(const Lease& lease) {
    leases[lease.id].revoked = true;
    revoked.push_back(lease.id);
    return {};
  }

  VirtualTimers& timers;
  Duration ttl = 1h;
  Duration max_ttl = 24h;
  bool renewable = true;
  std::string accessor = "accessor-1";
  secrets::SuppliedEndpoint endpoint;
  std::map<std::string, Issued> leases;
  std::vector<WallTime> renew_times;
  std::vector<std::string> revoked;
  unsigned kept_alive = 0;
  unsigned closed = 0;
  std::optional<WallTime> keep_alive_at;
  bool own_token = false;  ///< close() ends everything

  std::function<Result<secrets::Fetched>()> on_fetch = [this] { return issue(); };
  std::function<Result<Lease>(const Lease&)> on_renew = [this](const Lease& lease) { return renew(lease); };
  std::function<Result<void>(const Lease&)> on_revoke = [this](const Lease& lease) { return revoke(lease); };
  std::function<Result<secrets::Fetched>()> on_pending = nullptr;  ///< none: there is no other version
  unsigned refusals_told = 0;
  std::function<Result<void>()> on_keep_alive = [] { return Result<void>{}; };
  std::function<Result<void>()> on_close = [this] {
    for (auto& [id, issued] : leases) issued.revoked = true;
    return Result<void>{};
  };
  std::vector<std::string> warnings;
};

class FakeSession final : public secrets::SourceSession {
 public:
  explicit FakeSession(FakeManager& manager) : manager_(manager) {}
  std::unique_ptr<secrets::FetchConversation> fetch() override {
    return std::make_unique<ScriptedFetch>([this] { return manager_.on_fetch(); });
  }
  std::unique_ptr<secrets::RenewConversation> renew(const Lease& lease) override {
    return std::make_unique<ScriptedRenew>([this, lease] { return manager_.on_renew(lease); });
  }
  std::unique_ptr<Conversation> revoke(const Lease& lease) override {
    return std::make_unique<ScriptedCall>([this, lease] { return manager_.on_revoke(lease); });
  }
  std::unique_ptr<Conversation> keep_alive() override {
    return std::make_unique<ScriptedCall>([this] {
      ++manager_.kept_alive;
      return manager_.on_keep_alive();
    });
  }
  [[nodiscard]] std::optional<WallTime> keep_alive_at() const override { return manager_.keep_alive_at; }
  std::unique_ptr<Conversation> close() override {
    if (!manager_.own_token) return nullptr;
    return std::make_unique<ScriptedCall>([this] {
      ++manager_.closed;
      return manager_.on_close();
    });
  }
  [[nodiscard]] std::vector<std::string> warnings() const override { return manager_.warnings; }
  void on_refused() override { ++manager_.refusals_told; }
  std::unique_ptr<secrets::FetchConversation> fetch_pending() override {
    if (!manager_.on_pending) return nullptr;
    return std::make_unique<ScriptedFetch>([this] { return manager_.on_pending(); });
  }

 private:
  FakeManager& manager_;
};

/// Ends each conversation after `latency`; notices when two run at once.
class FakeRunner final : public Runner {
 public:
  explicit FakeRunner(VirtualTimers& timers) : timers_(timers) {}
  void run(std::unique_ptr<Conversation> conversation, DoneCallback done) override {
    EXPECT_EQ(running, 0u) << "two conversations of one slot at once";
    ++running;
    ++runs;
    run_times.push_back(timers_.now().mono);
    auto shared = std::make_shared<std::unique_ptr<Conversation>>(std::move(conversation));
    timers_.after(latency(), [this, shared, done = std::move(done)] {
      --running;
      auto result = dynamic_cast<AnyScripted&>(**shared).finish();
      done(std::move(result), std::move(*shared));
    });
  }

  std::function<Duration()> latency = [] { return 10ms; };
  unsigned running = 0;
  std::uint64_t runs = 0;
  std::vector<MonotonicTime> run_times;

 private:
  VirtualTimers& timers_;
};

class FakeJournal final : public LeaseJournal {
 public:
  Result<void> record(const Lease& lease, WallTime) override {
    if (failing) return Error{ErrorCode::internal, Hop::secret_source, "journal", "disk full", "", ""};
    entries.insert(lease.id);
    ++recorded;
    return {};
  }
  void forget(const Lease& lease) override { entries.erase(lease.id); }
  bool failing = false;
  std::set<std::string> entries;
  unsigned recorded = 0;
};

class Recorder : public Observer {
 public:
  explicit Recorder(VirtualTimers& timers) : timers_(timers) {}
  void on_new_generation(GenerationPtr generation) override { news.push_back(generation->number); }
  void on_generation_ending(GenerationPtr generation, Moment deadline, Duration doubt) override {
    endings.push_back({generation->number, deadline, timers_.now(), doubt});
    if (on_ending) on_ending(generation->number);
  }
  void on_generation_gone(GenerationPtr generation) override { gone.push_back(generation->number); }
  void on_warning(const std::string& text) override { warnings.push_back(text); }
  void on_security_event(const SecurityEvent& event) override { events.push_back(event); }

  struct Told {
    std::uint64_t number;
    Moment deadline;
    Moment at;
    Duration doubt{};
  };
  std::function<void(std::uint64_t)> on_ending;
  std::vector<std::uint64_t> news;
  std::vector<Told> endings;
  std::vector<std::uint64_t> gone;
  std::vector<std::string> warnings;
  std::vector<SecurityEvent> events;

 private:
  VirtualTimers& timers_;
};

/// One slot in that world.
struct World {
  explicit World(std::uint64_t seed = 1) : randomness(seed) {}

  Slot& slot() {
    if (!slot_) open();
    return *slot_;
  }
  void open() {
    slot_ = std::make_unique<Slot>(std::make_unique<FakeSession>(manager), options, timers, runner, journal,
                                   observer, randomness);
  }
  void destroy() { slot_.reset(); }

  /// Asks and lets up to `patience` pass.
  Result<GenerationPtr> get(Duration patience = 30s) {
    std::optional<Result<GenerationPtr>> answer;
    slot().get(timers.now().mono + patience,
               [&](Result<GenerationPtr> result) { answer = std::move(result); });
    const MonotonicTime end = timers.now().mono + patience + 1s;
    while (!answer && timers.now().mono < end) timers.advance(1ms);
    if (!answer) return Error{ErrorCode::internal, Hop::none, "test", "get() never answered", "", ""};
    return std::move(*answer);
  }

  VirtualTimers timers;
  SeededRandomness randomness;
  FakeManager manager{timers};
  FakeRunner runner{timers};
  FakeJournal journal;
  Recorder observer{timers};
  SlotOptions options{.name = "production/app"};

 private:
  std::unique_ptr<Slot> slot_;
};

inline Error failure(ErrorCode code, std::string what = "scripted failure") {
  return {code, Hop::secret_source, "vault", std::move(what), "", ""};
}

inline secrets::Fetched static_password(std::string_view password,
                                        std::optional<Duration> refetch_after = {}) {
  secrets::Fetched fetched;
  fetched.credential.user = "app";
  fetched.credential.secret = Secret::copy_of(password);
  fetched.refetch_after = refetch_after;
  return fetched;
}

}  // namespace sallyport::credentials
