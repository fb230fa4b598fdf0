// A command of the command line: one file each, listed in main.cpp.
#pragma once

#include "base/clock.h"
#include "base/log.h"

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace sallyport::cli {

class Environment;

/// What main wires up and the global flags set. Lives as long as the process.
struct Context {
  Clock& clock;
  Randomness& randomness;
  Logger& logger;
  std::shared_ptr<Environment> environment = nullptr;  ///< as it was at start
  std::string config_file = {};                        ///< -c; empty: none given
  std::string format = "text";                         ///< --format text|json
  std::string output_file = {};                        ///< -o; empty: standard output
  bool quiet = false;                                  ///< -q
  int verbosity = 0;                                   ///< -v, repeatable
  bool allow_root_token = false;                       ///< --allow-root-token, of what asks sources
  bool color = false;                                  ///< decided once: --color, NO_COLOR, a terminal
  std::string version = {};                            ///< of this program
  std::function<void()> tell_repeated = nullptr;  ///< the logger tells what it has only counted; any thread
};

/// Exit codes, as `sallyport COMMAND --help` lists them.
enum ExitCode : int {
  exit_ok = 0,
  exit_findings = 1,
  exit_error = 2,
  exit_unreachable = 3,
  exit_unsafe = 4,
  exit_our_error = 125,  ///< exec, connect: we failed before or beside the child
  exit_not_executable = 126,
  exit_not_found = 127,
};

/// `arguments` are those behind the command's name. Global flags are accepted there too.
struct Command {
  std::string_view name;
  std::string_view summary;  ///< one line for `sallyport --help`
  int (*run)(Context& context, const std::vector<std::string>& arguments);
};

// One function a command, each in its own file.
int run_exec(Context& context, const std::vector<std::string>& arguments);
int run_connect(Context& context, const std::vector<std::string>& arguments);
int run_serve(Context& context, const std::vector<std::string>& arguments);
int run_check_config(Context& context, const std::vector<std::string>& arguments);
int run_policy(Context& context, const std::vector<std::string>& arguments);
int run_passwd(Context& context, const std::vector<std::string>& arguments);
int run_audit(Context& context, const std::vector<std::string>& arguments);
int run_status(Context& context, const std::vector<std::string>& arguments);
int run_pause(Context& context, const std::vector<std::string>& arguments);
int run_resume(Context& context, const std::vector<std::string>& arguments);
int run_drain(Context& context, const std::vector<std::string>& arguments);
int run_reconnect(Context& context, const std::vector<std::string>& arguments);
int run_resolve(Context& context, const std::vector<std::string>& arguments);
int run_token(Context& context, const std::vector<std::string>& arguments);
int run_whoami(Context& context, const std::vector<std::string>& arguments);
int run_reload(Context& context, const std::vector<std::string>& arguments);
int run_vault(Context& context, const std::vector<std::string>& arguments);

}  // namespace sallyport::cli
