// A long life by dice: leases of all lengths, outages, refusals, jumps of the clock, holders that come and go.
// Whatever happens, the invariants hold; a failure prints its seed.
#include "credentials/schedule.h"
#include "test/credentials/fake_world.h"

namespace sallyport::credentials::slot_simulation_test {
namespace {

class Simulation {
 public:
  explicit Simulation(std::uint64_t seed) : world_(seed), dice_(seed ^ 0x5a11) {
    auto& manager = world_.manager;
    manager.ttl = std::chrono::seconds{2 + dice_.below(600)};
    manager.max_ttl = manager.ttl + std::chrono::seconds{dice_.below(1800)};
    manager.renewable = dice_.below(4) != 0;
    manager.own_token = dice_.below(2) == 0;
    const auto latency_ms_max = 1 + dice_.below(400);
    world_.runner.latency = [this, latency_ms_max] {
      return std::chrono::milliseconds{1 + dice_.below(latency_ms_max)};
    };
    manager.on_fetch = [this] {
      return broken() ? Result<secrets::Fetched>{fault()} : world_.manager.issue();
    };
    manager.on_renew = [this](const Lease& lease) { return renew(lease); };
    manager.on_revoke = [this](const Lease& lease) { return revoke(lease); };
    world_.observer.on_ending = [this](std::uint64_t number) { told_.insert(number); };
  }

  void run(int steps) {
    for (step_ = 0; step_ < steps && !testing::Test::HasFailure(); ++step_) {
      act();
      world_.timers.advance(std::chrono::milliseconds{1 + dice_.below(2000)});
      check();
    }
    finish();
  }

 private:
  [[nodiscard]] bool broken() { return outage_ || dice_.below(20) == 0; }
  Error fault() {
    constexpr ErrorCode codes[] = {ErrorCode::retry_later, ErrorCode::timed_out, ErrorCode::invalid_message,
                                   ErrorCode::peer_misbehaved, ErrorCode::denied};
    return failure(codes[dice_.below(outage_ ? 4 : 5)]);
  }

  Result<Lease> renew(const Lease& lease) {
    if (broken()) {
      Error error = fault();
      failed_renewals_.insert(lease.id);
      if (error.code == ErrorCode::denied) final_.insert(lease.id);
      return error;
    }
    auto renewed = world_.manager.renew(lease);
    if (!renewed || has_shrunk(world_.manager.ttl, renewed->duration)) final_.insert(lease.id);
    return renewed;
  }

  Result<void> revoke(const Lease& lease) {
    // Nobody may be using it: not held, unless it was told to end or could be renewed no longer.
    if (!shutting_down_) {
      for (const auto& hold : holds_) {
        EXPECT_NE(hold.generation()->credential->lease->id, lease.id) << "revoked while held, step " << step_;
      }
    }
    if (broken()) return fault();
    return world_.manager.revoke(lease);
  }

  void act() {
    switch (dice_.below(12)) {
      case 0:
      case 1:
      case 2:
      case 3: return ask();
      case 4:
      case 5:
      case 6: return let_go();
      case 7: outage_ = dice_.below(3) == 0; return;
      case 8: return refuse();
      case 9: return revoke_under_us();
      case 10:
        if (dice_.below(10) == 0) world_.timers.jump(std::chrono::seconds{dice_.below(900)});
        if (dice_.below(2) == 0) world_.slot().check_now();
        return;
      default: world_.slot().prefetch(); return;
    }
  }

  void ask() {
    ++asked_;
    world_.slot().get(world_.timers.now().mono + std::chrono::milliseconds{dice_.below(20'000)},
                      [this](Result<GenerationPtr> result) {
                        ++answered_;
                        if (!result) return;
                        served(**result);
                        if (auto hold = world_.slot().hold(*result)) holds_.push_back(std::move(hold));
                      });
  }

  void served(const Generation& generation) {
    const auto& lease = *generation.credential->lease;
    if (!ended_by_others_.contains(lease.id)) {
      EXPECT_TRUE(world_.manager.alive(lease.id)) << "served a dead credential, step " << step_;
    }
    if (generation.number == world_.slot().status().current)
      world_.slot().report_login_succeeded(generation.number);
  }

  void let_go() {
    if (holds_.empty()) return;
    const auto index = dice_.below(holds_.size());
    holds_.erase(holds_.begin() + static_cast<std::ptrdiff_t>(index));
  }

  void refuse() {
    if (dice_.below(8) != 0) return;
    if (const auto current = world_.slot().current())
      world_.slot().report_login_failed(current->number, "28P01");
  }

  void revoke_under_us() {
    if (dice_.below(30) != 0) return;
    if (const auto current = world_.slot().current()) {
      const auto& id = current->credential->lease->id;
      ended_by_others_.insert(id);
      world_.manager.leases[id].revoked = true;
    }
  }

  void check() {
    const auto now = world_.timers.now();
    for (std::size_t i = holds_.size(); i-- > 0;) {
      const auto& generation = holds_[i].generation();
      const auto gone =
          std::count(world_.observer.gone.begin(), world_.observer.gone.end(), generation->number);
      if (gone == 0) continue;
      EXPECT_TRUE(told_.contains(generation->number)) << "its sessions were never told, step " << step_;
      const auto& id = generation->credential->lease->id;
      EXPECT_TRUE(!lives_on(id) || could_not_be_renewed(id)) << "it could still be renewed, step " << step_;
      holds_.erase(holds_.begin() + static_cast<std::ptrdiff_t>(i));
    }
    const auto& counters = world_.slot().counters();
    const double seconds = std::chrono::duration<double>(now.mono - start_).count();
    const double life = std::chrono::duration<double>(world_.manager.ttl).count();
    EXPECT_LE(static_cast<double>(counters.fetches), 40 + asked_ * 0.7 + seconds * (1.0 / 20 + 3 / life))
        << "a storm, step " << step_;
    EXPECT_LE(world_.slot().status().live_generations, holds_.size() + 1);
    check_journal();
  }

  /// Beyond the doubt that is left when a lease was granted slowly: then its last moments are its own.
  [[nodiscard]] bool lives_on(const std::string& id) const {
    return world_.manager.alive(id) && world_.manager.leases.at(id).expires - world_.timers.now().wall > 5s;
  }

  [[nodiscard]] bool could_not_be_renewed(const std::string& id) const {
    return final_.contains(id) || !world_.manager.renewable || failed_renewals_.contains(id);
  }

  /// What is alive at the manager is on disk, but for the moment between a reply and its arrival here.
  void check_journal() {
    std::size_t missing = 0;
    for (const auto& [id, issued] : world_.manager.leases) {
      if (lives_on(id) && !world_.journal.entries.contains(id) && !could_not_be_renewed(id)) ++missing;
    }
    EXPECT_EQ(missing, 0u) << "a live lease is not in the journal, step " << step_;
  }

  void finish() {
    outage_ = false;
    shutting_down_ = true;
    std::optional<ShutdownReport> report;
    world_.slot().shutdown(1min, [&](ShutdownReport got) { report = std::move(got); });
    world_.timers.advance(2min);
    ASSERT_TRUE(report);
    EXPECT_EQ(answered_, asked_) << "somebody was never answered";
    std::set<std::string> reported;
    for (const auto& left : report->unrevoked) reported.insert(left.lease_id);
    for (const auto& [id, issued] : world_.manager.leases) {
      if (!world_.manager.alive(id)) continue;
      EXPECT_TRUE(reported.contains(id) || gave_up(issued.user)) << id << " was left behind in silence";
    }
    EXPECT_EQ(world_.timers.pending(), 0u);
  }

  /// A revocation that the manager denied is said in a warning, with the time at which the lease ends.
  [[nodiscard]] bool gave_up(const std::string& user) const {
    const auto names = [&](const std::string& text) {
      return text.find("user " + user + " ") != std::string::npos;
    };
    return std::any_of(world_.observer.warnings.begin(), world_.observer.warnings.end(), names);
  }

  World world_;
  SeededRandomness dice_;
  MonotonicTime start_ = world_.timers.now().mono;
  std::vector<Hold> holds_;
  std::set<std::uint64_t> told_;
  std::set<std::string> final_;
  std::set<std::string> failed_renewals_;
  std::set<std::string> ended_by_others_;
  bool outage_ = false;
  bool shutting_down_ = false;
  int step_ = 0;
  double asked_ = 0;
  double answered_ = 0;
};

TEST(SlotSimulation, InvariantsHoldForManySeeds) {
  for (std::uint64_t seed = 1; seed <= 200; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Simulation{seed}.run(1500);
    if (HasFailure()) return;
  }
}

}  // namespace
}  // namespace sallyport::credentials::slot_simulation_test
