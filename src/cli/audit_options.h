// What `audit tail` and `audit query` were asked for.
#pragma once

#include "cli/command.h"
#include "trail/index.h"

#include <optional>
#include <string>
#include <vector>

namespace sallyport::cli {

struct AuditOptions {
  std::string directory;
  std::string since, until;
  trail::Query query;
  std::size_t tail_count = 20;
  bool follow = false;
  bool stored = true;  ///< false for `tail -n 0`: only what comes
};

/// Reads the command line into `options`; an exit code when that was all (--help, an error).
std::optional<int> read_audit_options(Context& context, const std::vector<std::string>& arguments,
                                      AuditOptions& options);

}  // namespace sallyport::cli
