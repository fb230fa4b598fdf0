// Tells the service manager how we are (sd_notify's protocol, one datagram a message).
//
// Source  sd_notify(3), sd_watchdog_enabled(3): the socket in NOTIFY_SOCKET, "READY=1", "RELOADING=1", "STOPPING=1",
//         "STATUS=…", "WATCHDOG=1".
#pragma once

#include "base/clock.h"

#include <optional>
#include <string>
#include <string_view>

namespace sallyport::cli {

class Notify {
 public:
  /// The values of NOTIFY_SOCKET (empty: nobody listens; '@' begins an abstract name), WATCHDOG_USEC and WATCHDOG_PID.
  explicit Notify(std::string socket, std::string_view watchdog_usec = {},
                  std::string_view watchdog_pid = {});

  /// Best effort: a manager that does not listen is no reason to fail. `status`: for `systemctl status`; empty: as it
  /// was.
  void say(std::string_view state, std::string_view status = {}) const;

  /// How often "WATCHDOG=1" has to be said: thrice as often as the manager expects it. None: it does not.
  [[nodiscard]] std::optional<Duration> watchdog_every() const { return watchdog_every_; }

 private:
  std::string socket_;
  std::optional<Duration> watchdog_every_;
};

}  // namespace sallyport::cli
