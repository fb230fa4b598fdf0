// The simulated PostgreSQL server (its backends, logins, cancels) and the broker's way to it.
#pragma once

#include "broker/ports.h"
#include "test/sim/sim_session.h"
#include "test/sim/sim_vault.h"

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace sallyport::sim {

struct ServerSettings {
  LinkSettings link;
  std::size_t connections_max = 100;
  Duration login_max = 30ms;
  unsigned login_failures_permille = 0;
  unsigned cancel_failures_permille = 0, cancels_late_permille = 0;
  unsigned reset_failures_percent = 0;
  std::size_t hosts = 1;  ///< more: one of them is the primary, the others are standbys
};

class SimServer final : public broker::Connector, private BackendHost {
 public:
  using StatementCheck = std::function<void(Backend&, const Marker&, bool boundary)>;

  SimServer(SimLoop& loop, Dice dice, Oracle& oracle, SimVault& vault, ServerSettings its_settings)
      : settings(its_settings),
        loop_(loop),
        dice_(dice),
        oracle_(oracle),
        vault_(vault),
        host_down_(its_settings.hosts) {}

  static std::string name_of_host(std::size_t host) { return "db" + std::to_string(host + 1) + ".example"; }

  // ---- what the broker asks ----
  void connect(broker::ConnectRequest request, std::function<void(Result<broker::Connected>)> done) override {
    ++connecting_;
    auto kept = std::make_shared<broker::ConnectRequest>(std::move(request));
    loop_.after(dice_.us(1, settings.login_max / 1us), [this, kept, done = std::move(done)] {
      --connecting_;
      done(login(*kept));
    });
  }

  void resolve(const Endpoint& endpoint, Duration,
               std::function<void(Result<std::vector<net::Address>>)> done) override {
    std::size_t host = 0;
    while (name_of_host(host) != endpoint.host) ++host;
    const auto address = address_of_host(host, endpoint.port);
    loop_.after(dice_.us(1, 1'000), [address, done = std::move(done)] { done(std::vector{address}); });
  }
  void cancel(broker::CancelOrder order, std::function<void(broker::CancelOutcome)> done) override {
    loop_.after(dice_.us(1, 20'000), [this, order = std::move(order), done = std::move(done)] {
      if (down || dice_.permille(settings.cancel_failures_permille)) {
        return done({Error{ErrorCode::retry_later, Hop::tcp, {}, "connection refused", {}, {}}});
      }
      if (dice_.permille(settings.cancels_late_permille)) {
        come_late(order);
        return done({Error{ErrorCode::timed_out, Hop::login, {}, "no answer within 10 s", {}, {}}, true});
      }
      const auto found = backends_.find(order.pid);
      if (found == backends_.end() || order.key != key_of(order.pid)) {
        oracle_.count("cancel for a backend that is gone");
      } else {
        found->second->interrupt();
      }
      done({});
    });
  }

  // ---- what happens to it ----
  /// Ends a backend as an administrator (with 57P01) or a crash (without) does. `busy`: one at work, if any.
  bool kill_one(bool with_message) {
    std::vector<Backend*> all;
    for (auto& [pid, backend] : backends_) {
      if (backend->connected()) all.push_back(backend.get());
    }
    if (all.empty()) return false;
    killed_at = loop_.now().mono;
    all[dice_.below(all.size())]->die(Backend::Death::killed, with_message);
    return true;
  }
  void kill_all() {
    for (auto& [pid, backend] : backends_) backend->die(Backend::Death::killed, dice_.chance(50));
  }

  /// The primary dies with all its sessions. After a while another host is promoted, and it comes back as a standby.
  bool fail_over() {
    if (settings.hosts < 2 || !primary_) return false;
    const auto old = *std::exchange(primary_, std::nullopt);
    host_down_[old] = true;
    kill_all();
    const auto next = (old + dice_.between(1, settings.hosts - 1)) % settings.hosts;
    loop_.after(dice_.ms(0, 12'000), [this, next] {
      if (!primary_) primary_ = next;
    });
    loop_.after(dice_.ms(1, 20'000), [this, old] { host_down_[old] = false; });
    return true;
  }
  void recover() {
    down = false;
    if (!primary_) primary_ = 0;
    std::fill(host_down_.begin(), host_down_.end(), false);
  }
  [[nodiscard]] bool is_on_primary(const Backend& backend) const {
    return host_of_.at(backend.pid) == primary_;
  }

  [[nodiscard]] const Backend* find(std::int64_t pid) const {
    const auto found = backends_.find(static_cast<std::int32_t>(pid));
    return found == backends_.end() ? nullptr : found->second.get();
  }
  [[nodiscard]] const std::map<std::int32_t, std::unique_ptr<Backend>>& backends() const { return backends_; }
  /// Connections that the broker's side still has.
  [[nodiscard]] std::size_t broker_ends() const { return *broker_ends_; }
  [[nodiscard]] std::size_t logins() const { return backends_.size(); }

  ServerSettings settings;
  bool down = false;
  MonotonicTime full_at{};         ///< somebody was refused last because of that
  MonotonicTime killed_at{};       ///< the last one that ended alone
  MonotonicTime unreachable_at{};  ///< or because there was no server, or no primary
  bool lends = false;              ///< the broker pools by transaction
  StatementCheck on_statement_check;

 private:
  /// It arrives when the broker has given it up. Whoever sent it may be hit, as on a direct connection (here nobody is);
  /// who has the backend by then may not.
  void come_late(const broker::CancelOrder& order) {
    const auto found = backends_.find(order.pid);
    if (found == backends_.end() || order.key != key_of(order.pid)) return;
    auto& backend = *found->second;
    if (!backend.is_busy() || backend.asks_for_mover() || backend.owner == 0) return;
    for (int i = 1; i <= 20; ++i) {
      loop_.after(i * 200ms, [this, &backend, meant = backend.owner] {
        if (!backend.connected()) return oracle_.count("late cancel found nobody");
        if (backend.is_busy() && backend.owner != meant)
          oracle_.violation("a late cancel would hit " + client_name(backend.owner));
      });
    }
  }

  Result<broker::Connected> login(const broker::ConnectRequest& request) {
    std::size_t host = 0;
    while (!(address_of_host(host, request.address->port) == *request.address)) ++host;
    if (primary_ != host) unreachable_at = loop_.now().mono;
    if (down || host_down_[host] || dice_.permille(settings.login_failures_permille)) {
      unreachable_at = loop_.now().mono;
      return Error{ErrorCode::retry_later, Hop::tcp, "db.example", "connection refused", {}, {}};
    }
    if (!vault_.accepts(request.user, request.generation->credential->secret)) {
      oracle_.count("login refused");
      return Error{
          ErrorCode::denied, Hop::login, "db.example", "password authentication failed", {}, "28P01"};
    }
    std::size_t connected = 0;
    for (const auto& [pid, backend] : backends_) connected += backend->connected() ? 1 : 0;
    if (connected >= settings.connections_max) {
      full_at = loop_.now().mono;
      return Error{ErrorCode::retry_later, Hop::login, "db.example", "too many clients", {}, "53300"};
    }
    Settings startup{request.parameters.begin(), request.parameters.end()};
    const auto pid = next_pid_++;
    auto backend = std::make_unique<Backend>(loop_, oracle_, static_cast<BackendHost&>(*this), pid,
                                             request.user, std::move(startup));
    auto [ours, theirs] = MemoryStream::connect(loop_, dice_.split(), settings.link, "broker", "server");
    ++*broker_ends_;
    ours->keep(std::shared_ptr<void>{nullptr, [count = broker_ends_](void*) { --*count; }});
    backend->fail_next_reset = dice_.chance(settings.reset_failures_percent);
    backend->attach(std::move(theirs));
    broker::Connected connected_to;
    connected_to.greeting.parameters = backend->reported();
    connected_to.greeting.pid = pid;
    connected_to.greeting.cancel_key = key_of(pid);
    connected_to.stream = std::move(ours);
    host_of_[pid] = host;
    if (settings.hosts > 1) {
      const bool standby = primary_ != host;
      connected_to.greeting.in_hot_standby = connected_to.greeting.read_only = standby;
      if (standby) oracle_.count("login at a standby");
    }
    backends_.emplace(pid, std::move(backend));
    return connected_to;
  }

  static net::Address address_of_host(std::size_t host, std::uint16_t port) {
    return *net::literal_address("10.0.0." + std::to_string(host + 1), port);
  }
  static std::vector<std::uint8_t> key_of(std::int32_t pid) {
    return {1, 2, static_cast<std::uint8_t>(pid >> 8), static_cast<std::uint8_t>(pid)};
  }

  bool lends_backends() const override { return lends; }
  bool user_alive(const std::string& user) override { return vault_.user_alive(user); }
  void notify(const std::string& channel, const std::string& payload) override {
    for (auto& [pid, backend] : backends_) backend->deliver_notification(channel, payload);
  }
  void on_statement(Backend& backend, const Marker& marker, bool boundary) override {
    if (on_statement_check) on_statement_check(backend, marker, boundary);
  }

  SimLoop& loop_;
  Dice dice_;
  Oracle& oracle_;
  SimVault& vault_;
  std::map<std::int32_t, std::unique_ptr<Backend>> backends_;  // dead ones too: what they did is asked later
  std::map<std::int32_t, std::size_t> host_of_;
  std::vector<bool> host_down_;
  std::optional<std::size_t> primary_ = 0;
  std::int32_t next_pid_ = 100;
  std::size_t connecting_ = 0;
  std::shared_ptr<std::size_t> broker_ends_ = std::make_shared<std::size_t>(0);
};

}  // namespace sallyport::sim
