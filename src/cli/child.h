// The application as our child: started with its own environment, signalled as if we were not between,
// waited for with everything that descends from it.
#pragma once

#include "base/result.h"
#include "cli/environment.h"
#include "net/process_tree.h"

#include <sys/types.h>

#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace sallyport::cli {

/// Signals that the main thread takes by sigwaitinfo; blocked before the first thread starts.
void block_child_signals();

/// SIGINT, SIGQUIT, SIGTERM or SIGHUP, when one has come since the signals were blocked: before the child runs it
/// ends us. Takes it.
std::optional<int> take_end_signal();

struct Child {
  pid_t pid = 0;
  std::uint64_t start_ticks = 0;
};

/// Raises our soft limit of open files to the hard one and returns it; the child gets the old one back.
std::size_t raise_descriptor_limit();

/// Forks and executes; returns once exec has succeeded or failed. The child gets what remember_start() kept.
///
/// The child stays in our process group; signal dispositions and mask are those we were started with.
/// Errors  hop child.  not_found: no such program (exit 127).  denied: it cannot be executed (exit 126).
Result<Child> start_child(const std::vector<std::string>& command, const Environment& environment,
                          const std::function<void(const Child&)>& before_exec);

struct ChildEnd {
  int exit_code = 0;  ///< the child's own, or 128 + signal
};

struct ChildCallbacks {
  std::function<void()> on_continued;  ///< after SIGCONT: the clock has jumped for us
  std::function<void()> on_tick;       ///< about once a second
};

/// Forwards signals and reaps until the child has ended. Terminal signals reach it by itself and are not sent
/// twice.
ChildEnd wait_for_child(const Child& child, const ChildCallbacks& callbacks);

/// Waits until no process of the tree is left (--wait-all), forwarding signals to all of them.
void wait_for_tree(const net::ServedTree& tree);

/// Keeps what the child must get back: RLIMIT_CORE and the signals that are ignored. First call in main, before
/// anything changes them.
void remember_start();

}  // namespace sallyport::cli
