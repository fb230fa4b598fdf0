// Which files and directories `serve` needs, computed from its configuration: what the sandbox leaves it.
//
// A named file stands for the directory that it lies in, and for the one that its links lead to, so that what is renamed
// over it is found. What the file system says of links comes in as a function, so that all of this is a value.
#pragma once

#include "config/config.h"
#include "net/landlock.h"
#include "secrets/source.h"

#include <functional>
#include <string>
#include <vector>

namespace sallyport::cli {

/// Variables that name files, or a directory of them, which these sources read ("$NAME" in secrets::Authority).
std::vector<std::string> file_variables(const secrets::Registry& sources);

struct SandboxSurroundings {
  /// A variable of our environment that holds no secret; empty: not set.
  std::function<std::string(const std::string& name)> variable;
  std::string home;
  /// Where a path ends up behind all links; empty: nothing is there.
  std::function<std::string(const std::string& path)> real_path;
  /// What the libraries read by themselves, files.
  std::vector<std::string> library_files;
};

/// Without duplicates, and without what another rule holds already; sorted by path. Paths are real ones where they exist.
std::vector<net::FileRule> sandbox_rules(const config::Config& config, const secrets::Registry& sources,
                                         const SandboxSurroundings& around);

/// What of `wanted` is not in `granted`: a reload cannot have it. Paths, sorted.
std::vector<std::string> beyond_sandbox(const std::vector<net::FileRule>& granted,
                                        const std::vector<net::FileRule>& wanted);

}  // namespace sallyport::cli
