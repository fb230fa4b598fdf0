// Conversations of a command that runs no broker (`resolve`, `token`, `whoami`, `vault`): one loop on the calling
// thread, the lanes, and the driver.
#pragma once

#include "cli/command.h"
#include "cli/environment.h"
#include "net/driver.h"

#include <memory>
#include <vector>

namespace sallyport::cli {

/// What a command gives one conversation: as long as a client would wait for a session.
inline constexpr auto errand_deadline = std::chrono::seconds{60};

class Errand {
 public:
  /// `programs`: a helper is forked that may run any; call it before any thread starts and any secret is read.
  /// Errors  internal: the kernel refused.
  static Result<std::unique_ptr<Errand>> prepare(Context& context, bool programs);

  struct Outcome {
    Result<void> end;
    std::unique_ptr<Conversation> conversation;
  };

  /// Runs one to its end; blocks.
  Outcome run(std::unique_ptr<Conversation> conversation, Duration deadline = errand_deadline);

  /// Runs all at once, and returns when the last has ended. In their order.
  std::vector<Outcome> run_all(std::vector<std::unique_ptr<Conversation>> conversations,
                               Duration deadline = errand_deadline);

  [[nodiscard]] net::EpollLoop& loop() { return loop_; }
  [[nodiscard]] net::Driver& driver() { return *driver_; }

 private:
  Errand(Context& context, std::shared_ptr<net::Helper> helper);

  net::EpollLoop loop_;
  net::Lane dns_lane_{"dns", 2, 256};
  net::Lane http_lane_{"http", 4, 256};
  net::Lane file_lane_{"file", 1, 256};
  net::Lane helper_lane_{"helper", 1, 64};
  std::unique_ptr<net::Driver> driver_;
};

/// HTTPS_PROXY and its like of that environment.
net::HttpSettings http_settings_of(const std::shared_ptr<const Environment>& environment,
                                   const std::string& version);

}  // namespace sallyport::cli
