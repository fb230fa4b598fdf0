// The main thread while it serves: signals, and whoever would take over.
#include "cli/service.h"

#include <unistd.h>

#include <ctime>
#include <filesystem>
#include <utility>

namespace sallyport::cli {

namespace {

/// After SIGTERM. Units allow a little more (TimeoutStopSec).
constexpr auto drain_limit = std::chrono::minutes{5};

}  // namespace

void Service::run() {
  while (true) {
    wait_for_any({stop_signals_->fd(), other_signals_->fd(), handover_.fd()}, -1);
    if (stop_signals_->next() != 0) return drain(false);
    switch (other_signals_->next()) {
      case SIGHUP: reload(); break;
      case SIGCONT: runtime_->on_relay([](broker::Broker& broker) { broker.check_now(); }); break;
      default: break;
    }
    if (handover_.fd() >= 0 && hand_over()) return drain(true);
  }
}

void Service::offer_handover() {
  std::error_code ignored;
  handover_.serve({[this] { return listeners(); }, [this] { return credentials(); },
                   [this] {
                     std::vector<std::string> paused;
                     runtime_->on_relay([&](broker::Broker& broker) { paused = broker.paused_targets(); });
                     return paused;
                   },
                   [this](const net::UnixPeer& who, const char* result) {
                     runtime_->record_command("take-over", {}, who.pid, who.uid, result);
                   },
                   std::filesystem::canonical(served_->config().file, ignored).string(),
                   confinement_->scout()});
}

std::vector<net::SharedListener> Service::listeners() {
  auto all = runtime_->listeners();
  for (auto& listener : admin_.share()) all.push_back(std::move(listener));
  return all;
}

std::vector<std::string> Service::credentials() {
  const auto status = runtime_->ask_relay<broker::Status>(
      [](broker::Broker& broker, const std::function<void(broker::Status)>& done) { done(broker.status()); });
  std::vector<std::string> present;
  for (const auto& target : status.targets) {
    for (const auto& role : target.roles) {
      if (role.credential_present) present.push_back(target.name + "/" + role.role);
    }
  }
  return present;
}

bool Service::hand_over() {
  auto channel = handover_.hand_over(stop_signals_->fd());
  if (!channel) return false;
  // Not STOPPING, from which on systemd would count TimeoutStopSec and then kill.
  notify_.say("STATUS=handed over: sessions end by themselves");
  served_->accept_no_more();
  runtime_->stop_listening();
  admin_.accept_no_more();
  handover_.close();
  answer_reloads({false, "another Sallyport serves from now on", "Ask again"});
  runtime_->on_relay([&](broker::Broker& broker) {
    successor_link_ = std::make_unique<SuccessorLink>(std::move(*channel), runtime_->relay_loop(), broker,
                                                      [] { kill(getpid(), SIGHUP); });
  });
  judge_sessions();
  return true;
}

// Sessions end by themselves: whatever they need of us, credentials among it, goes on. Who was asked to stop gives them
// five minutes; who has handed over has no hurry (upgrade.drain_max), until it is asked to stop as well.
void Service::drain(bool handed_over) {
  const auto begun = context_.clock.now().mono;
  std::optional<MonotonicTime> stopping;
  const auto stop = [&] {
    notify_.say("STOPPING=1", "draining: no new sessions");
    stopping = context_.clock.now().mono;
  };
  if (!handed_over) {
    stop();
    handover_.close();
    runtime_->stop_listening();
  }
  std::size_t live = 0;
  runtime_->on_relay([&](broker::Broker& broker) { live = broker.sessions(); });
  if (live > 0) {
    context_.logger.write(LogLevel::info, "draining: no new sessions; waiting for the live ones to end",
                          {{"sessions", static_cast<std::int64_t>(live)}});
  } else {
    context_.logger.write(LogLevel::info, "draining: no new sessions, and none lives");
  }
  const auto gives_up_at = [&] {
    return stopping ? *stopping + drain_limit : begun + served_->config().upgrade_drain_max;
  };
  while (context_.clock.now().mono < gives_up_at()) {
    std::size_t left = 0;
    runtime_->on_relay([&](broker::Broker& broker) { left = broker.sessions(); });
    // Through us the successor reaches the sessions of our own predecessor, which ends before we would have to.
    if (left == 0 && !(handed_over && predecessor_lives_)) return;
    wait_for_any({stop_signals_->fd(), other_signals_->fd()}, 100);
    if (stop_signals_->next() != 0) {
      if (stopping) return;
      stop();
    }
    if (other_signals_->next() != SIGHUP) continue;
    if (handed_over) judge_sessions();
    answer_reloads({false, "Sallyport is draining and reloads no more", {}});
  }
  if (!stopping) stop();
  end_at_boundaries();
}

// Whoever stayed is told at a transaction boundary; who has none soon is stopped.
void Service::end_at_boundaries() {
  std::size_t left = 0;
  runtime_->on_relay([&](broker::Broker& broker) { left = broker.sessions(); });
  context_.logger.write(LogLevel::warning, "their time is up: sessions that are left end",
                        {{"sessions", static_cast<std::int64_t>(left)}});
  runtime_->on_relay([](broker::Broker& broker) { broker.drain(); });
  const timespec grace{2, 0};
  nanosleep(&grace, nullptr);
}

}  // namespace sallyport::cli
