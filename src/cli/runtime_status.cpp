// What an operator may see of the running process, and the way of his commands to the relay loop.
#include "base/secret.h"
#include "cli/runtime.h"

#include <unistd.h>

namespace sallyport::cli {

namespace {

constexpr auto fetch_missing_every = std::chrono::seconds{5};
constexpr auto tell_repeated_every = std::chrono::seconds{5};

}  // namespace

void Runtime::post(std::function<void(broker::Broker&)> action) {
  relay_loop_.post([this, action = std::move(action)] { action(*broker_); });
}

void Runtime::status(std::function<void(broker::Status)> done) {
  post([this, done = std::move(done)](broker::Broker& broker) {
    auto status = broker.status();
    status.process = process_;
    status.process.pid = getpid();
    status.process.uptime = status.at - process_.started;
    status.process.expiries = certificate_watch_.expiries();
    if (secret_lock_failures() != 0) status.process.missing.emplace_back("locked_memory");
    if (options_.serves_own_account && !trail_copy_) status.process.missing.emplace_back("journald_copy");
    for (const auto& [name, entrance] : acceptors_) {
      status.routes[name].target = (*entrance.route)->route.target;
    }
    done(std::move(status));
  });
}

void Runtime::say_listening() {
  on_relay([&](broker::Broker&) {
    process_.listening = true;
    relay_loop_.after(fetch_missing_every, [this] { keep_credentials_present(); });
  });
}

void Runtime::keep_credentials_present() {
  if (process_.draining) return;
  broker_->fetch_missing();
  relay_loop_.after(fetch_missing_every, [this] { keep_credentials_present(); });
}

// A flood that is followed by silence is told, too.
void Runtime::tell_repeated() {
  if (!context_.tell_repeated) return;
  context_.tell_repeated();
  relay_loop_.after(tell_repeated_every, [this] { tell_repeated(); });
}

void Runtime::prove_life(Duration every, std::function<void()> alive) {
  login_loop_.post([this, every, alive = std::move(alive)] {
    relay_loop_.post([this, every, alive] {
      alive();
      relay_loop_.after(every, [this, every, alive] { prove_life(every, alive); });
    });
  });
}

void Runtime::record_command(const std::string& what, const std::string& target, std::int64_t pid,
                             std::uint32_t uid, const std::string& result) {
  relay_loop_.post([this, what, target, pid, uid, result] {
    trail::Event event;
    event.kind = trail::EventKind::admin;
    event.at = context_.clock.now().wall;
    event.target = target;
    event.result = result;
    event.reason = what;
    event.verified = {{"uid", std::to_string(uid)}, {"pid", std::to_string(pid)}};
    gate_->note(std::move(event));
  });
}

}  // namespace sallyport::cli
