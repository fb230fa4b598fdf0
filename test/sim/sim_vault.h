// A manager of leases in memory, the source session over it, and the runner of its conversations.
#pragma once

#include "credentials/lease_journal.h"
#include "credentials/ports.h"
#include "secrets/source.h"
#include "test/sim/sim_loop.h"

#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>

namespace sallyport::sim {

struct VaultSettings {
  Duration ttl = 60s, max_ttl = 300s;
  bool renewable = true;
  bool own_token = false;          ///< close() ends everything at once
  unsigned failures_permille = 0;  ///< of every call
  Duration latency_max = 50ms;
  unsigned slow_permille = 0;  ///< calls that take up to twenty seconds
};

class SimVault {
 public:
  struct Issued {
    WallTime expires, max;
    std::string user, password;
    bool revoked = false;
  };

  SimVault(SimLoop& loop, Dice dice, VaultSettings its_settings)
      : settings(its_settings), loop_(loop), dice_(dice) {}

  [[nodiscard]] bool alive(const Issued& issued) const {
    return !issued.revoked && issued.expires > loop_.now().wall;
  }
  [[nodiscard]] bool lease_alive(const std::string& id) const {
    const auto found = leases_.find(id);
    return found != leases_.end() && alive(found->second);
  }
  [[nodiscard]] bool user_alive(const std::string& user) const {
    const auto found = users_.find(user);
    return found != users_.end() && lease_alive(found->second);
  }
  /// Zero: revoked, or unknown.
  [[nodiscard]] Duration dead_for(const std::string& user) const {
    const auto found = users_.find(user);
    if (found == users_.end() || leases_.at(found->second).revoked) return {};
    return loop_.now().wall - leases_.at(found->second).expires;
  }
  [[nodiscard]] bool accepts(const std::string& user, const Secret& password) const {
    return user_alive(user) && password.equals(leases_.at(users_.at(user)).password);
  }
  /// Those that end later than in `longer`.
  [[nodiscard]] std::vector<std::string> alive_for(Duration longer) const {
    std::vector<std::string> ids;
    for (const auto& [id, issued] : leases_) {
      if (!issued.revoked && issued.expires > after(loop_.now().wall, longer)) ids.push_back(id);
    }
    return ids;
  }
  [[nodiscard]] std::size_t issued() const { return leases_.size(); }

  Result<secrets::Fetched> issue(const std::string& role) {
    if (broken()) return fault();
    const auto number = std::to_string(leases_.size() + 1);
    const auto now = loop_.now().wall;
    Lease lease;
    lease.id = "database/creds/" + role + "/" + number;
    lease.address = "https://vault.example:8200";
    lease.mount_and_role = "database/creds/" + role;
    lease.accessor = "accessor-1";
    lease.duration = std::min(settings.ttl, settings.max_ttl);
    lease.renewable = settings.renewable;
    const auto user = "v-" + role + "-" + number;
    leases_[lease.id] = {after(now, lease.duration), after(now, settings.max_ttl), user, "pw-" + number};
    users_[user] = lease.id;
    secrets::Fetched fetched;
    fetched.credential.user = user;
    fetched.credential.secret = Secret::copy_of(std::string_view{"pw-" + number});
    fetched.credential.expires = after(now, lease.duration);
    fetched.credential.lease = std::move(lease);
    return fetched;
  }

  Result<Lease> renew(Lease lease) {
    if (broken()) return fault();
    if (!lease_alive(lease.id)) {
      return Error{ErrorCode::not_found, Hop::secret_source, "lease", "lease not found", {}, {}};
    }
    auto& issued = leases_[lease.id];
    issued.expires = std::min(after(loop_.now().wall, settings.ttl), issued.max);
    lease.duration = issued.expires - loop_.now().wall;
    return lease;
  }

  Result<void> revoke(const Lease& lease) {
    if (broken()) return fault();
    leases_[lease.id].revoked = true;
    return {};
  }

  /// Ends a session's own token, and with it the leases that hang on it.
  Result<void> close(const std::set<std::string>& hanging) {
    if (broken()) return fault();
    for (const auto& id : hanging) leases_[id].revoked = true;
    return {};
  }

  /// Somebody ends a lease behind our back.
  bool revoke_any_outside() {
    for (auto& [id, issued] : leases_) {
      if (!alive(issued) || !dice_.chance(50)) continue;
      issued.revoked = true;
      revoked_outside_.insert(issued.user);
      return true;
    }
    return false;
  }
  [[nodiscard]] bool revoked_outside(const std::string& user) const {
    return revoked_outside_.contains(user);
  }

  [[nodiscard]] Duration latency() {
    if (dice_.permille(settings.slow_permille)) {
      const auto slow = dice_.ms(1000, 20'000);
      troubled_until_ = std::max(troubled_until_, loop_.now().mono + slow);
      return slow;
    }
    return dice_.us(1, settings.latency_max / 1us);
  }

  /// A call has failed since then, or took its time.
  [[nodiscard]] bool was_troubled_after(MonotonicTime when) const { return troubled_until_ >= when; }

  VaultSettings settings;
  bool outage = false;

 private:
  static WallTime after(WallTime from, Duration duration) {
    return from + std::chrono::duration_cast<WallTime::duration>(duration);
  }
  bool broken() { return outage || dice_.permille(settings.failures_permille); }
  Error fault() {
    troubled_until_ = std::max(troubled_until_, loop_.now().mono);
    constexpr ErrorCode codes[] = {ErrorCode::retry_later, ErrorCode::timed_out, ErrorCode::invalid_message};
    return {codes[dice_.below(3)], Hop::secret_source, "vault", "a simulated failure", {}, {}};
  }

  SimLoop& loop_;
  Dice dice_;
  std::map<std::string, Issued> leases_;
  std::map<std::string, std::string> users_;
  std::set<std::string> revoked_outside_;
  MonotonicTime troubled_until_{};
};

/// What SimRunner ends; nobody resumes these step by step.
class Scripted {
 public:
  virtual ~Scripted() = default;
  virtual Result<void> finish() = 0;
};

/// `Base` yields a `Value` when it is done.
template <class Base, class Value>
class ScriptedYield final : public Base, public Scripted {
 public:
  explicit ScriptedYield(std::function<Result<Value>()> work) : work_(std::move(work)) {}
  Result<Action> resume(Input) override { return Done{}; }
  Result<void> finish() override {
    auto result = work_();
    if (!result) return result.error();
    value_ = std::move(*result);
    return {};
  }
  Value take() override { return std::move(value_); }

 private:
  std::function<Result<Value>()> work_;
  Value value_;
};

class ScriptedCall final : public Conversation, public Scripted {
 public:
  explicit ScriptedCall(std::function<Result<void>()> work) : work_(std::move(work)) {}
  Result<Action> resume(Input) override { return Done{}; }
  Result<void> finish() override { return work_(); }

 private:
  std::function<Result<void>()> work_;
};

class SimSource final : public secrets::SourceSession {
 public:
  SimSource(SimVault& vault, std::string role) : vault_(vault), role_(std::move(role)) {}

  std::unique_ptr<secrets::FetchConversation> fetch() override {
    return std::make_unique<ScriptedYield<secrets::FetchConversation, secrets::Fetched>>([this] {
      auto fetched = vault_.issue(role_);
      if (fetched) issued_.insert(fetched->credential.lease->id);
      return fetched;
    });
  }
  std::unique_ptr<secrets::RenewConversation> renew(const Lease& lease) override {
    return std::make_unique<ScriptedYield<secrets::RenewConversation, Lease>>(
        [this, lease] { return vault_.renew(lease); });
  }
  std::unique_ptr<Conversation> revoke(const Lease& lease) override {
    return std::make_unique<ScriptedCall>([this, lease] { return vault_.revoke(lease); });
  }
  std::unique_ptr<Conversation> keep_alive() override { return nullptr; }
  [[nodiscard]] std::optional<WallTime> keep_alive_at() const override { return {}; }
  std::unique_ptr<Conversation> close() override {
    if (!vault_.settings.own_token) return nullptr;
    return std::make_unique<ScriptedCall>([this] { return vault_.close(issued_); });
  }

 private:
  SimVault& vault_;
  std::string role_;
  std::set<std::string> issued_;
};

class SimRunner final : public credentials::Runner {
 public:
  SimRunner(SimLoop& loop, SimVault& vault) : loop_(loop), vault_(vault) {}

  void run(std::unique_ptr<Conversation> conversation, DoneCallback done) override {
    auto kept = std::make_shared<std::unique_ptr<Conversation>>(std::move(conversation));
    loop_.after(vault_.latency(), [kept, done = std::move(done)] {
      auto outcome = dynamic_cast<Scripted&>(**kept).finish();
      done(std::move(outcome), std::move(*kept));
    });
  }

 private:
  SimLoop& loop_;
  SimVault& vault_;
};

class MemoryJournal final : public credentials::LeaseJournal {
 public:
  MemoryJournal(SimLoop& loop, Dice dice) : loop_(loop), dice_(dice) {}
  Result<void> record(const Lease& lease, WallTime) override {
    if (dice_.permille(failures_permille)) {
      failed_at = loop_.now().mono;
      return Error{ErrorCode::internal, Hop::secret_source, "journal", "disk full", {}, {}};
    }
    entries.insert(lease.id);
    return {};
  }
  void forget(const Lease& lease) override { entries.erase(lease.id); }

  unsigned failures_permille = 0;
  MonotonicTime failed_at{};
  std::set<std::string> entries;

 private:
  SimLoop& loop_;
  Dice dice_;
};

}  // namespace sallyport::sim
