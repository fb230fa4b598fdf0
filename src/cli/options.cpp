#include "cli/options.h"

#include "base/ascii.h"
#include "cli/exec_run.h"
#include "cli/runtime.h"

#include <CLI/CLI.hpp>

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <fstream>

namespace sallyport::cli {

namespace {

Result<void> make_directories(const std::string& path) {
  for (std::size_t at = 1; at <= path.size(); ++at) {
    at = std::min(path.find('/', at), path.size());
    const auto part = path.substr(0, at);
    if (mkdir(part.c_str(), 0700) != 0 && errno != EEXIST) {
      return Error{ErrorCode::bad_config,
                   Hop::trail,
                   part,
                   std::string{"cannot be made: "} + std::strerror(errno),
                   "Set XDG_STATE_HOME to a directory that you may write to",
                   {}};
    }
  }
  return {};
}

}  // namespace

void add_global_options(CLI::App& app, Context& context, Writes writes,
                        const std::vector<std::string>& more) {
  std::vector<std::string> formats{"text", "json"};
  formats.insert(formats.end(), more.begin(), more.end());
  std::string listed = "text";
  for (std::size_t i = 1; i < formats.size(); ++i)
    listed += (i + 1 < formats.size() ? ", " : " or ") + formats[i];

  app.add_option("-c,--config", context.config_file, "Configuration file");
  app.add_flag("-q,--quiet", context.quiet, "Only errors");
  app.add_flag("-v,--verbose", context.verbosity, "More detail; repeatable");
  app.add_option_function<std::string>(
         "--color",
         [&context](const std::string& when) {
           if (when != "auto") context.color = when == "always";
         },
         "auto, always or never")
      ->check(CLI::IsMember({"auto", "always", "never"}));
  app.add_option("--format", context.format, writes == Writes::log ? "text or json: the log" : listed)
      ->check(CLI::IsMember(formats));
  auto* output = app.add_option("-o,--output", context.output_file, "Write output to this file");
  if (writes != Writes::result)
    output->group("");  // known, so that it is refused with a reason; not in --help
}

void add_source_options(CLI::App& app, Context& context) {
  app.add_flag("--allow-root-token", context.allow_root_token,
               "Use Vault although our token is a root token, which may do everything");
}

namespace {

/// Of a command that has commands of its own.
std::string missing_command(const CLI::App& app) {
  std::string names;
  for (const auto* command : app.get_subcommands([](const CLI::App*) { return true; })) {
    names += (names.empty() ? "" : " or ") + command->get_name();
  }
  const auto left = app.remaining(true);  // of subcommands, too
  return left.empty() ? "a command is missing: " + names
                      : "unknown command \"" + left.front() + "\": it is " + names;
}

}  // namespace

Result<void> refuse_output_file(const Context& context) {
  if (context.output_file.empty()) return {};
  return Error{ErrorCode::bad_config,    Hop::none, "-o", "this command writes nothing but its log",
               "Redirect that: 2> FILE", {}};
}

bool write_result(const Context& context, const std::string& text) {
  const auto& path = context.output_file;
  bool written = false;
  if (path.empty()) {
    written = std::fwrite(text.data(), 1, text.size(), stdout) == text.size() && std::fflush(stdout) == 0;
  } else {
    std::ofstream file{path, std::ios::binary | std::ios::trunc};
    file << text << std::flush;
    written = file.good();
  }
  if (!written)
    std::fprintf(stderr, "sallyport: the result cannot be written to %s\n",
                 path.empty() ? "standard output" : path.c_str());
  return written;
}

namespace {

/// The command that was asked for, its subcommand too: "sallyport token aws-rds".
std::string command_of(const CLI::App& app) {
  auto name = app.get_name();
  for (const auto* at = &app; !at->get_subcommands().empty(); name += " " + at->get_name())
    at = at->get_subcommands().front();
  return name;
}

}  // namespace

std::optional<int> parse_arguments(CLI::App& app, const std::vector<std::string>& arguments, int error_code) {
  std::vector<std::string> reversed{arguments.rbegin(), arguments.rend()};
  try {
    app.parse(std::move(reversed));
  } catch (const CLI::CallForHelp&) {
    std::fputs(app.help().c_str(), stdout);
    return exit_ok;
  } catch (const CLI::ExtrasError&) {
    // CLI11 lists all that is left, the "--" before the command too: the one that is wrong is enough.
    const auto left = app.remaining(true);  // of subcommands, too
    const auto wrong = std::find_if(left.begin(), left.end(), [](const auto& word) { return word != "--"; });
    std::fprintf(stderr, "sallyport: %s is not expected\n  fix: %s --help explains\n",
                 wrong == left.end() ? "--" : wrong->c_str(), command_of(app).c_str());
    return error_code;
  } catch (const CLI::ParseError& error) {
    std::string what = error.what();
    if (app.get_subcommands().empty() && app.get_require_subcommand_min() > 0) what = missing_command(app);
    // "FILE is required" keeps its name; a sentence of CLI11's begins small, as ours do.
    const bool is_name = what.size() > 1 && to_lower(what[1]) != what[1];
    if (!what.empty() && !is_name) what[0] = to_lower(what[0]);
    std::fprintf(stderr, "sallyport: %s\n  fix: %s --help explains\n", what.c_str(), command_of(app).c_str());
    return error_code;
  }
  return std::nullopt;
}

std::optional<std::string> configuration_file(const Context& context, const Environment& environment) {
  const auto variable = environment.plain("SALLYPORT_CONFIG");
  const auto file = config::file_to_use(context.config_file, variable.c_str());
  const bool named = !context.config_file.empty() || !variable.empty();
  if (named || access(file.c_str(), F_OK) == 0) return file;
  return {};
}

Result<Settings> load_settings(Context& context, const Environment& environment) {
  Settings settings;
  if (const auto file = configuration_file(context, environment)) {
    auto loaded = config::load(*file, context.clock.now().wall);
    if (!loaded) {
      const auto& errors = loaded.error();
      for (std::size_t i = 0; i + 1 < errors.size(); ++i) print_error(errors[i]);
      return errors.back();
    }
    settings.config = std::move(*loaded);
    settings.audit = settings.config->audit;
    settings.state_directory = settings.config->state_directory;
    return settings;
  }
  settings.state_directory = default_state_directory(environment);
  settings.audit.directory = settings.state_directory + "/audit";
  if (auto made = make_directories(settings.state_directory); !made) return made.error();
  return settings;
}

}  // namespace sallyport::cli
