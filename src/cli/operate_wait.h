// `pause --wait` and `drain --wait`: the command has answered, and now it is seen through.
//
// The waiting is the command line's: it asks for the status again and again, so that the broker answers others
// meanwhile, and whoever gives up (Ctrl-C) leaves nothing behind.
#pragma once

#include "admin/command.h"
#include "base/clock.h"
#include "base/result.h"
#include "cli/admin_call.h"

#include <nlohmann/json.hpp>

#include <functional>
#include <string>

namespace sallyport::cli {

/// How a target stands between two looks.
struct Progress {
  enum class State {
    done,
    waits,      ///< look again
    told_late,  ///< `drain` has to be said again: a session that was just beginning has not heard it
    resumed,    ///< somebody has ended the pause: it never will be done
  };
  State state = State::waits;
  std::string left;     ///< "production: 3 server connections are in use"; empty: done
  bool paused = false;  ///< all that were looked at
};

/// Of a status' JSON: of `command.target`, else of all.
///
/// Of a target that is paused it is done when no session has a server connection; a drain of one that is not, when the
/// sessions that were told have ended.
Progress progress_of(const admin::Command& command, const nlohmann::ordered_json& status);

struct WaitPorts {
  std::function<Result<BrokerAnswer>(const admin::Command&)> call;  ///< the broker's answer
  std::function<MonotonicTime()> now;
  std::function<void(Duration)> sleep;
};

/// After `command` was answered. Returns "no server connection is in use any more".
/// Errors  timed_out: `what` says how many are left; denied: it was resumed meanwhile; of `call`.
Result<std::string> wait_until_done(const admin::Command& command, Duration limit, const WaitPorts& ports);

}  // namespace sallyport::cli
