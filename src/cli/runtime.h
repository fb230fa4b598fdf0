// The running broker: two loops on two threads, the lanes, the driver, the trail, and the broker itself.
// `exec`, `connect` and `serve` all stand on it; this is where everything is wired.
//
// The calling thread stays free for signals and the child. It reaches the broker through on_relay().
#pragma once

#include "broker/broker.h"
#include "cli/certificate_watch.h"
#include "cli/command.h"
#include "cli/environment.h"
#include "cli/loop_ports.h"
#include "cli/memory_watch.h"
#include "cli/mock_key.h"
#include "cli/system_journal.h"
#include "cli/trail_watch.h"
#include "config/config.h"
#include "credentials/orphans.h"
#include "net/acceptor.h"
#include "net/driver.h"
#include "net/handshakes.h"
#include "net/helper.h"
#include "secrets/source.h"

#include <functional>
#include <future>
#include <memory>
#include <string>
#include <thread>

namespace sallyport::cli {

struct RuntimeOptions {
  config::Audit audit;
  std::string state_directory;          ///< lease journals; empty: none are kept
  std::shared_ptr<net::Helper> helper;  ///< null: no `exec:`
  std::shared_ptr<const Environment> environment;
  FileOpener outside = nullptr;  ///< opens what the sandbox keeps from us
  Duration file_poll = std::chrono::seconds{3};
  broker::SandboxStatus sandbox = {};     ///< what this process has given up, and
  std::vector<std::string> missing = {};  ///< what it could not, for `status`
  bool serves_own_account = false;  ///< whoever is served could change the trail: a copy goes to the journal
};

class Runtime {
 public:
  /// Opens the trail and starts the threads. Errors  hop trail, hop config.
  static Result<std::unique_ptr<Runtime>> start(Context& context, RuntimeOptions options);
  ~Runtime();

  /// Runs `action` on the relay loop and returns when it has.
  void on_relay(const std::function<void(broker::Broker&)>& action);

  /// Runs `action` on the relay loop; waits until it calls `done` (once).
  template <class T>
  T ask_relay(const std::function<void(broker::Broker&, std::function<void(T)> done)>& action) {
    auto promise = std::make_shared<std::promise<T>>();
    auto answer = promise->get_future();
    relay_loop_.post([this, action, promise] {
      action(*broker_, [promise](T value) { promise->set_value(std::move(value)); });
    });
    return answer.get();
  }

  /// As ask_relay(); nothing when `stop` says so first (asked every 50 ms). `action` may run after that: it
  /// captures by value.
  template <class T>
  std::optional<T> ask_relay_until(
      const std::function<void(broker::Broker&, std::function<void(T)> done)>& action,
      const std::function<bool()>& stop) {
    auto promise = std::make_shared<std::promise<T>>();
    auto answer = promise->get_future();
    relay_loop_.post([this, action, promise] {
      action(*broker_, [promise](T value) { promise->set_value(std::move(value)); });
    });
    while (answer.wait_for(std::chrono::milliseconds{50}) != std::future_status::ready) {
      if (stop()) return std::nullopt;
    }
    return answer.get();
  }

  /// Checks references and TLS files, opens the roles' sources, and hands the target to the broker.
  /// One that is open and unchanged stays as it is, but for its TLS files, which are read anew.
  Result<void> open_target(const Target& target);

  /// The two halves of open_target(): what can fail, and what cannot. A reload prepares all before it applies any.
  struct PreparedTarget;
  Result<std::shared_ptr<PreparedTarget>> prepare_target(const Target& target);
  void apply_target(PreparedTarget& prepared);
  void close_target(const std::string& name);

  // ---- for an operator (runtime_status.cpp) ----
  /// Runs `action` on the relay loop and does not wait.
  void post(std::function<void(broker::Broker&)> action);
  /// All that may be seen, on the relay loop.
  void status(std::function<void(broker::Status)> done);
  /// The configuration was applied: all routes listen. From now on missing credentials are fetched unasked.
  void say_listening();
  /// Calls `alive` on the relay loop again and again, as long as both loops turn.
  void prove_life(Duration every, std::function<void()> alive);
  /// A command of an operator, for the trail. Any thread.
  void record_command(const std::string& what, const std::string& target, std::int64_t pid, std::uint32_t uid,
                      const std::string& result);
  /// What unknown names are answered from where routes ask for passwords.
  [[nodiscard]] Result<MockKey> mock_key() const;

  /// Serves connections of `listener` by `route`, until stop_listening() closes it and removes its socket.
  /// Thread-safe.
  void listen(net::Listener listener, std::shared_ptr<const broker::RouteRuntime> route);
  void stop_listening();
  void stop_listening(const std::string& route_name);
  /// For a successor: descriptors of all that is listened on.
  [[nodiscard]] std::vector<net::SharedListener> listeners();
  /// New connections of this listener are served by `route` from now on.
  void replace_route(std::shared_ptr<const broker::RouteRuntime> route);
  /// For the trail: what a reload changed.
  void record_policy_change(const std::string& what);

  /// Ends sessions, leases and threads. Says on the log what could not be ended and when it dies.
  /// `failure`: why the run ends before its work began, for the trail; printable, no secret.
  void shut_down(Duration limit, const std::string& failure = {});

  [[nodiscard]] const secrets::Registry& sources() const { return registry_; }
  [[nodiscard]] const FileOpener& outside() const { return options_.outside; }
  [[nodiscard]] net::EpollLoop& relay_loop() { return relay_loop_; }
  [[nodiscard]] trail::Sink* trail() { return trail_.get(); }

 private:
  Runtime(Context& context, RuntimeOptions options);
  Result<void> open_trail();
  Result<void> open_journal();
  [[nodiscard]] Result<broker::RoleOpening> open_role(const Target& target, const Role& role) const;
  void watch_target(broker::Broker& broker, const Target& target,
                    const std::shared_ptr<const broker::Reach>& reach);
  void start_threads();
  void record_run(trail::EventKind kind, const std::string& failure = {});

  Context& context_;
  RuntimeOptions options_;
  secrets::Registry registry_;
  std::shared_ptr<SystemJournal> trail_copy_;  ///< null: none
  std::unique_ptr<trail::Sink> trail_;
  std::unique_ptr<credentials::LeaseJournal> journal_;
  std::unique_ptr<credentials::OrphanSweeper> sweeper_;
  net::EpollLoop relay_loop_;
  net::EpollLoop login_loop_;
  net::Lane dns_lane_{"dns", 2, 256};
  net::Lane http_lane_{"http", 4, 256};
  net::Lane file_lane_{"file", 1, 256};
  net::Lane helper_lane_{"helper", 1, 64};
  std::unique_ptr<net::Driver> driver_;
  std::unique_ptr<LoopTimers> timers_;
  std::unique_ptr<DriverRunner> runner_;
  std::unique_ptr<DriverConnector> connector_;
  net::Handshakes handshakes_{login_loop_};
  LoginLoopHandshaker handshaker_{handshakes_, relay_loop_};
  std::unique_ptr<broker::TrailGate> gate_;
  std::unique_ptr<TrailWatch> trail_watch_;
  MemoryWatch memory_watch_;
  CertificateWatch certificate_watch_;
  std::unique_ptr<broker::Broker> broker_;
  struct Entrance {
    std::shared_ptr<std::shared_ptr<const broker::RouteRuntime>> route;  // what accept() looks at
    std::unique_ptr<net::Acceptor> acceptor;
  };
  std::map<std::string, Entrance> acceptors_;  // by route; relay loop's
  void keep_credentials_present();
  void tell_repeated();
  broker::ProcessStatus process_;  // relay loop's
  std::thread relay_thread_;
  std::thread login_thread_;
};

/// $XDG_STATE_HOME/sallyport, or ~/.local/state/sallyport.
std::string default_state_directory(const Environment& environment);

}  // namespace sallyport::cli
