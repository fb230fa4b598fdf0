// Wires clock, randomness, log and environment, and hands the word to a command.

#include "base/clock.h"
#include "base/secret.h"
#include "cli/child.h"
#include "cli/command.h"
#include "cli/console_logger.h"
#include "cli/environment.h"
#include "cli/exec_run.h"
#include "cli/init_process.h"
#include "net/http.h"

#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <string>
#include <string_view>
#include <vector>

namespace {

using namespace sallyport;

constexpr cli::Command commands[] = {
    {"exec", "run an application with no secret", &cli::run_exec},
    {"connect", "psql through the broker, ready to use", &cli::run_connect},
    {"serve", "the broker as a service", &cli::run_serve},
    {"resolve", "what a reference leads to, without its secret", &cli::run_resolve},
    {"token", "a cloud identity's token, for other tools", &cli::run_token},
    {"whoami", "which identity each cloud gives us, and why", &cli::run_whoami},
    {"vault", "set up Vault's database engine: see the difference, make it so", &cli::run_vault},
    {"status", "what a running broker does and has", &cli::run_status},
    {"pause", "new sessions of a target wait", &cli::run_pause},
    {"resume", "and go on", &cli::run_resume},
    {"drain", "sessions of a target end at their next boundary", &cli::run_drain},
    {"reconnect", "a target's server connections are replaced", &cli::run_reconnect},
    {"reload", "the configuration is read again", &cli::run_reload},
    {"audit", "tail and query the audit trail", &cli::run_audit},
    {"check-config", "check a configuration file", &cli::run_check_config},
    {"policy", "who gets what on a route, and why", &cli::run_policy},
    {"passwd", "make a local password's verifier", &cli::run_passwd},
};

void print_help() {
  std::puts(
      "sallyport " SALLYPORT_VERSION
      ": database connections with nothing to steal\n\nUsage: sallyport [-c FILE] [-q] [-v] [--color "
      "auto|always|never] [--format text|json] [-o FILE] COMMAND …\n       sallyport --version\n\nCommands:");
  for (const auto& command : commands) {
    std::printf("  %-14.*s %.*s\n", static_cast<int>(command.name.size()), command.name.data(),
                static_cast<int>(command.summary.size()), command.summary.data());
  }
  std::puts(
      "\nsallyport COMMAND --help explains each. Start here:\n\n"
      "  export "
      "DATABASE_URL='vault:database/creds/app-role?host=db.example.com&dbname=production&run_as=app'\n"
      "  sallyport exec -- ./manage.py migrate");
}

struct Globals {
  std::string config_file, format, output_file, color = "auto";  // format: empty, not given
  bool quiet = false;
  int verbosity = 0;
};

bool is_color(std::string_view when) { return when == "auto" || when == "always" || when == "never"; }
bool is_format(std::string_view format) { return format == "text" || format == "json"; }

/// -v, -vv, …: how much more detail.
int verbosity_of(std::string_view word) {
  if (word == "--verbose") return 1;
  const bool all = word.size() > 1 && word.front() == '-' && word.find_first_not_of('v', 1) == word.npos;
  return all ? static_cast<int>(word.size()) - 1 : 0;
}

// Flags in front of the command. Behind it each command accepts them as well.
bool take_global(const std::vector<std::string>& arguments, std::size_t& at, Globals& globals) {
  const auto& word = arguments[at];
  // "--format=json" is one word, "--format json" two.
  const auto equals = word.starts_with("--") ? word.find('=') : std::string::npos;
  const auto name = word.substr(0, equals);
  const auto value = [&](std::string& into) {
    if (equals == std::string::npos && at + 1 >= arguments.size()) return false;
    into = equals == std::string::npos ? arguments[++at] : word.substr(equals + 1);
    return true;
  };
  if (name == "-c" || name == "--config") return value(globals.config_file);
  if (name == "--format") return value(globals.format) && is_format(globals.format);
  if (name == "-o" || name == "--output") return value(globals.output_file);
  if (name == "--color") return value(globals.color) && is_color(globals.color);
  if (word == "-q" || word == "--quiet") return globals.quiet = true;
  globals.verbosity += verbosity_of(word);
  return verbosity_of(word) > 0;
}

/// Of a mistake before the command's name: 125 is ours where 2 could be the command's own.
int error_code_of(const std::vector<std::string>& arguments, std::size_t from) {
  for (auto at = from; at < arguments.size() && arguments[at] != "--"; ++at) {
    if (arguments[at] == "exec" || arguments[at] == "connect") return cli::exit_our_error;
  }
  return cli::exit_error;
}

// --color, --format and -v/-q stand in front of or behind the command; the log is made before the command parses.
void look_ahead(const std::vector<std::string>& arguments, std::size_t from, Globals& globals) {
  for (auto at = from; at < arguments.size() && arguments[at] != "--"; ++at) {
    const auto& word = arguments[at];
    if (word == "-q" || word == "--quiet") globals.quiet = true;
    globals.verbosity += verbosity_of(word);
    const auto value_of = [&](const std::string& name) {
      if (word == name && at + 1 < arguments.size()) return arguments[at + 1];
      return word.starts_with(name + "=") ? word.substr(name.size() + 1) : std::string{};
    };
    if (const auto color = value_of("--color"); is_color(color)) globals.color = color;
    if (const auto format = value_of("--format"); is_format(format)) globals.format = format;
  }
}

/// The log of a command that runs the broker, which has no other output. Not given: JSON for `serve` off a terminal.
bool wants_json_log(const Globals& globals, std::string_view command) {
  const bool runs = command == "exec" || command == "connect" || command == "serve";
  if (runs && !globals.format.empty()) return globals.format == "json";
  return command == "serve" && isatty(STDERR_FILENO) == 0;
}

bool wants_color(const Globals& globals, const cli::Environment& environment, int fd) {
  if (globals.color == "always") return true;
  return globals.color != "never" && !environment.has("NO_COLOR") && isatty(fd) == 1;
}

int run(std::vector<std::string> arguments, std::shared_ptr<cli::Environment> environment) {
  Globals globals;
  std::size_t at = 0;
  while (at < arguments.size() && arguments[at].starts_with("-") && arguments[at] != "--help" &&
         arguments[at] != "-h" && arguments[at] != "--version") {
    if (!take_global(arguments, at, globals)) {
      std::fprintf(stderr,
                   "sallyport: %s is no option, or not with this value\n  fix: sallyport --help explains\n",
                   arguments[at].c_str());
      return error_code_of(arguments, at + 1);
    }
    ++at;
  }
  const std::string name = at < arguments.size() ? arguments[at++] : "";
  if (name == "--version") {
    std::puts("sallyport " SALLYPORT_VERSION);
    return cli::exit_ok;
  }
  if (name.empty() || name == "--help" || name == "-h" || name == "help") {
    print_help();
    return name.empty() ? cli::exit_error : cli::exit_ok;
  }
  for (const auto& command : commands) {
    if (command.name != name) continue;
    look_ahead(arguments, at, globals);
    const auto least = globals.quiet                              ? LogLevel::error
                       : globals.verbosity > 1                    ? LogLevel::debug
                       : globals.verbosity > 0 || name == "serve" ? LogLevel::info
                                                                  : LogLevel::warning;
    const auto logger = cli::make_console_logger(
        {least, wants_json_log(globals, name), wants_color(globals, *environment, STDERR_FILENO)});
    SystemClock clock;
    SystemRandomness randomness;
    cli::Context context{.clock = clock,
                         .randomness = randomness,
                         .logger = *logger,
                         .environment = environment,
                         .config_file = globals.config_file,
                         .format = globals.format.empty() ? "text" : globals.format,
                         .output_file = globals.output_file,
                         .quiet = globals.quiet,
                         .verbosity = globals.verbosity,
                         .color = wants_color(globals, *environment, STDOUT_FILENO),
                         .version = SALLYPORT_VERSION,
                         .tell_repeated = [&logger] { logger->tell_repeated(); }};
    return command.run(context, {arguments.begin() + static_cast<std::ptrdiff_t>(at), arguments.end()});
  }
  std::fprintf(stderr, "sallyport: unknown command \"%s\"\n  fix: sallyport --help lists them\n",
               name.c_str());
  return cli::exit_error;
}

}  // namespace

int main(int argc, char** argv) {
  if (const auto code = cli::stay_behind_as_init()) _exit(*code);
  cli::remember_start();
  // A file size limit is an error to report (the trail's disk is full), not a reason to die.
  std::signal(SIGXFSZ, SIG_IGN);
  if (const auto hardened = harden_process_memory(); !hardened) {
    cli::print_error(hardened.error());
    return cli::exit_our_error;
  }
  if (const auto ready = net::init_libraries(); !ready) {
    cli::print_error(ready.error());
    return cli::exit_our_error;
  }
  std::vector<std::string> arguments{argv + 1, argv + argc};
  auto environment = std::make_shared<cli::Environment>(cli::Environment::take_over());
  const auto code = run(std::move(arguments), std::move(environment));
  std::fflush(nullptr);
  // Calls that were left behind on a lane may still use what static destructors would take away.
  _exit(code);
}
