// What the commands' option parsing shares, and where configuration and state are found.
#pragma once

#include "cli/command.h"
#include "cli/environment.h"
#include "config/config.h"

#include <optional>
#include <string>
#include <vector>

namespace CLI {
class App;
}

namespace sallyport::cli {

/// What --format and -o are about; help says it.
enum class Writes {
  result,   ///< to standard output, or to -o
  printed,  ///< to standard output only: -o is refused
  log,      ///< nothing but its log: likewise
};

/// -c -q -v --color --format -o, accepted behind the command's name, too.
/// `formats`: what else than text and json --format may be.
void add_global_options(CLI::App& app, Context& context, Writes writes = Writes::result,
                        const std::vector<std::string>& formats = {});

/// --allow-root-token, of the commands that fetch secrets (threat 20).
void add_source_options(CLI::App& app, Context& context);

/// For commands that write nothing of their own but the log: -o would be obeyed by nobody.
/// Errors  bad_config.
Result<void> refuse_output_file(const Context& context);

/// To -o, else to standard output. False: it cannot be written, which standard error has been told.
bool write_result(const Context& context, const std::string& text);

/// Parses; an exit code when that was all (--help, or an error, which gives `error_code`).
std::optional<int> parse_arguments(CLI::App& app, const std::vector<std::string>& arguments, int error_code);

struct Settings {
  std::optional<config::Config> config;  ///< none: no configuration file
  config::Audit audit;
  std::string state_directory;
};

/// -c FILE, else SALLYPORT_CONFIG, else /etc/sallyport/sallyport.yaml if it is there; the working directory is
/// never searched.
std::optional<std::string> configuration_file(const Context& context, const Environment& environment);

/// What that file says. Without one, state and trail live in $XDG_STATE_HOME/sallyport, which is made.
///
/// Errors  bad_config: all but the first problem of a configuration are printed.
Result<Settings> load_settings(Context& context, const Environment& environment);

}  // namespace sallyport::cli
