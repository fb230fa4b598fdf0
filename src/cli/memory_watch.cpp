#include "cli/memory_watch.h"

#include "base/secret.h"

#include <sys/resource.h>

#include <string>
#include <utility>

namespace sallyport::cli {

namespace {

/// As `ulimit -l` says it.
std::string lock_limit() {
  rlimit limit{};
  if (getrlimit(RLIMIT_MEMLOCK, &limit) != 0) return "unknown";
  return limit.rlim_cur == RLIM_INFINITY ? "unlimited" : std::to_string(limit.rlim_cur / 1024) + " KiB";
}

}  // namespace

void MemoryWatch::start() {
  look();
  if (!told_) loop_.after(interval, [this] { start(); });
}

void MemoryWatch::look() {
  const auto failures = secret_lock_failures();
  if (failures == 0 || std::exchange(told_, true)) return;
  logger_.write(
      LogLevel::warning, "secrets could not be locked in memory and may be written to swap",
      {{"secrets", std::to_string(failures)},
       {"limit", lock_limit()},
       {"fix",
        "raise the limit of locked memory (LimitMEMLOCK=64M in a systemd unit, ulimit -l in a shell)"}});
}

}  // namespace sallyport::cli
