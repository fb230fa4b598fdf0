// The running `serve`: what it starts and in which order, and what the main thread does after that: signals, reloads,
// the socket on which a successor asks, and the end.
//
// service.cpp starts and stops it, service_reload.cpp reads the configuration again, service_run.cpp is its main loop
// and hands over.
#pragma once

#include "cli/admin_listeners.h"
#include "cli/confinement.h"
#include "cli/handover.h"
#include "cli/handover_link.h"
#include "cli/notify.h"
#include "cli/operator_desk.h"
#include "cli/options.h"
#include "cli/reload.h"
#include "cli/runtime.h"
#include "cli/signal_queue.h"
#include "cli/take_over.h"

#include <signal.h>

#include <atomic>
#include <mutex>
#include <optional>
#include <vector>

namespace sallyport::cli {

class Service {
 public:
  /// `take_over`: of a Sallyport that runs with the same configuration, if there is one.
  Service(Context& context, std::shared_ptr<Environment> environment, Settings settings, bool take_over)
      : context_(context),
        environment_(std::move(environment)),
        settings_(std::move(settings)),
        take_over_(take_over) {}

  Result<void> start();
  /// Until it is asked to end, and its sessions have.
  void run();
  void stop();

 private:
  // ---- start (service.cpp) ----
  Result<void> start_runtime();
  Result<void> open_admin(const config::Config& config);
  Result<void> open_and_serve();
  Result<void> become_successor();
  void on_predecessor_gone(broker::Broker& broker);
  [[nodiscard]] Result<void> fetch_what_predecessor_has();
  [[nodiscard]] std::string state_text() const;
  void say_closed();
  void say_warnings();
  void limit_clients(const config::Config& config);
  /// Credentials, and connections for those who are known to come.
  void prefetch();
  admin::Control& desk();

  // ---- reload (service_reload.cpp) ----
  void reload();
  void answer_reloads(const admin::Outcome& outcome);
  admin::Outcome reload_now();
  /// After a handover: sessions that live here are judged by the file as it is now.
  void judge_sessions();
  admin::Outcome say_not_reloaded(const std::vector<Error>& errors);
  void say_reloaded(const AppliedConfig& applied);

  // ---- run (service_run.cpp) ----
  void offer_handover();
  bool hand_over();
  [[nodiscard]] std::vector<net::SharedListener> listeners();
  [[nodiscard]] std::vector<std::string> credentials();
  void drain(bool handed_over);
  void end_at_boundaries();

  Context& context_;
  std::shared_ptr<Environment> environment_;
  Settings settings_;
  bool take_over_;
  Notify notify_{environment_->plain("NOTIFY_SOCKET"), environment_->plain("WATCHDOG_USEC"),
                 environment_->plain("WATCHDOG_PID")};
  std::optional<TakeOver> predecessor_;  ///< until it has handed over
  net::GivenSockets given_;
  std::optional<Confinement> confinement_;
  std::unique_ptr<Runtime> runtime_;
  std::unique_ptr<ServedConfig> served_;
  std::mutex reloads_mutex_;
  std::vector<OperatorDesk::Done> reloads_;  ///< who waits for the next one
  std::unique_ptr<OperatorDesk> desk_;
  std::optional<SignalQueue> stop_signals_, other_signals_;
  Handover handover_{context_};
  std::unique_ptr<PredecessorLink> predecessor_link_;  ///< relay loop's
  std::unique_ptr<SuccessorLink> successor_link_;      ///< relay loop's
  std::atomic<bool> predecessor_lives_{false};
  AdminListeners admin_;  ///< last: its thread uses the others
};

}  // namespace sallyport::cli
