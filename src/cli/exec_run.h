// Runs a command with no secret: what `exec` and `connect` share.
#pragma once

#include "cli/command.h"
#include "cli/environment.h"
#include "cli/exec_target.h"

#include <memory>
#include <set>
#include <string>
#include <vector>

namespace sallyport::cli {

enum class ListenMode { automatic, unix_socket, tcp };

struct ExecRequest {
  std::vector<ExecTarget> targets;
  std::vector<std::string> command;
  ListenMode listen = ListenMode::automatic;
  bool wait_all = false;
  bool strict = false;
  std::set<std::string> keep_environment;
  config::Audit audit;
  std::string state_directory;
};

/// Returns the exit code: the child's own, or one of command.h's.
int run_with_targets(Context& context, std::shared_ptr<Environment> environment, ExecRequest request);

/// Prints "sallyport: …" for an error, with its hint on a line of its own.
void print_error(const Error& error);

}  // namespace sallyport::cli
