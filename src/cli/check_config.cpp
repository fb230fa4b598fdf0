// sallyport check-config: says all that is wrong with a configuration, or that nothing is.
//
// It does what `serve` does at start and at reload, by the same code (config::load), and nothing else: no
// socket is opened, no secret is fetched.
#include "cli/command.h"
#include "cli/counted.h"
#include "cli/options.h"
#include "config/config.h"
#include "config/document.h"

#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include <cstdio>
#include <cstdlib>
#include <iostream>

namespace sallyport::cli {
namespace {

using Loaded = boost::system::result<config::Config, std::vector<Error>>;

constexpr std::string_view examples = R"(
Examples:
  sallyport check-config                                 what `serve` would load
  sallyport check-config /etc/sallyport/new.yaml
  sallyport check-config --strict --format json new.yaml
  sallyport check-config - < new.yaml                    only the text: no owners, no other files

Without FILE: -c, else $SALLYPORT_CONFIG, else /etc/sallyport/sallyport.yaml.
Exit codes: 0 valid, 1 valid with warnings and --strict, 2 invalid or unreadable.)";

/// FILE, LINE and COLUMN of "FILE:LINE:COLUMN"; line 0 when it names no place inside the file.
struct Place {
  std::string file;
  int line = 0;
  int column = 0;
};

Place split_place(const std::string& where) {
  const auto second = where.rfind(':');
  const auto first =
      second == std::string::npos || second == 0 ? std::string::npos : where.rfind(':', second - 1);
  if (first == std::string::npos) return {where};
  const std::string line = where.substr(first + 1, second - first - 1);
  const std::string column = where.substr(second + 1);
  const auto is_number = [](const std::string& text) {
    return !text.empty() && text.size() < 9 && text.find_first_not_of("0123456789") == std::string::npos;
  };
  if (!is_number(line) || !is_number(column)) return {where};
  return {where.substr(0, first), std::stoi(line), std::stoi(column)};
}

/// A warning is "FILE:LINE:COLUMN: text", and FILE may hold colons.
std::pair<std::string, std::string> split_warning(const std::string& warning, const std::string& file) {
  const auto end = warning.find(": ", file.size());
  return {warning.substr(0, end), warning.substr(end + 2)};
}

std::string as_text(const Loaded& loaded, const std::string& file, bool quiet) {
  std::string out;
  if (!loaded.has_value()) {
    for (const Error& error : loaded.error()) {
      out += error.where + ": " + error.what + (error.hint.empty() ? "" : ". " + error.hint) + "\n";
    }
    if (loaded.error().size() == config::errors_max) {
      out += file + ": only the first " + std::to_string(config::errors_max) + " errors are shown\n";
    }
    return out;
  }
  const config::Config& config = *loaded;
  for (const auto& warning : config.warnings) {
    const auto [where, text] = split_warning(warning, file);
    out += where + ": warning: " + text + "\n";
  }
  if (quiet && config.warnings.empty()) return out;
  out += file + ": ok (" + counted(config.targets.size(), "target") + ", " +
         counted(config.routes.size(), "route");
  if (!config.warnings.empty()) out += ", " + counted(config.warnings.size(), "warning");
  return out + "; secrets and servers were not asked)\n";
}

nlohmann::ordered_json finding(const std::string& where, const std::string& what, const std::string& hint) {
  const Place place = split_place(where);
  nlohmann::ordered_json out{{"file", place.file}};
  if (place.line > 0) {
    out["line"] = place.line;
    out["column"] = place.column;
  }
  out["what"] = what;
  if (!hint.empty()) out["hint"] = hint;
  return out;
}

std::string as_json(const Loaded& loaded, const std::string& file) {
  nlohmann::ordered_json out{{"file", file}, {"valid", loaded.has_value()}};
  out["errors"] = nlohmann::ordered_json::array();
  out["warnings"] = nlohmann::ordered_json::array();
  if (loaded.has_value()) {
    out["targets"] = loaded->targets.size();
    out["routes"] = loaded->routes.size();
    for (const auto& warning : loaded->warnings) {
      const auto [where, text] = split_warning(warning, file);
      out["warnings"].push_back(finding(where, text, {}));
    }
  } else {
    for (const Error& error : loaded.error())
      out["errors"].push_back(finding(error.where, error.what, error.hint));
  }
  return out.dump(2, ' ', false, nlohmann::json::error_handler_t::replace) + "\n";
}

/// At most one byte more than a configuration may have: parse() then says that it is too large.
std::string read_standard_input() {
  std::string content(config::config_bytes_max + 1, '\0');
  std::cin.read(content.data(), static_cast<std::streamsize>(content.size()));
  content.resize(static_cast<std::size_t>(std::cin.gcount()));
  return content;
}

/// The environment as it was at start: main overwrites the process's own.
std::string config_of_environment(const Context& context) {
  if (context.environment) return context.environment->plain("SALLYPORT_CONFIG");
  const char* value = std::getenv("SALLYPORT_CONFIG");
  return value == nullptr ? "" : value;
}

int check(const Context& context, const std::string& argument, bool strict) {
  const bool standard_input = argument == "-";
  const std::string& flag = argument.empty() ? context.config_file : argument;
  const std::string file =
      standard_input ? "-" : config::file_to_use(flag, config_of_environment(context).c_str());
  const WallTime now = context.clock.now().wall;
  const Loaded loaded =
      standard_input ? config::parse(read_standard_input(), file, now) : config::load(file, now);
  const bool json = context.format == "json";
  const auto text = json ? as_json(loaded, file) : as_text(loaded, file, context.quiet);
  if (!write_result(context, text)) return exit_error;
  if (!loaded.has_value()) return exit_error;
  return strict && !loaded->warnings.empty() ? exit_findings : exit_ok;
}

}  // namespace

int run_check_config(Context& context, const std::vector<std::string>& arguments) {
  std::string file;
  bool strict = false;
  CLI::App app{"Checks a configuration and says all that is wrong with it", "sallyport check-config"};
  app.add_option("FILE", file, "The configuration; `-` reads standard input");
  app.add_flag("--strict", strict, "Warnings make the exit code 1");
  add_global_options(app, context);
  app.footer(std::string{examples});
  if (const auto code = parse_arguments(app, arguments, exit_error)) return *code;
  return check(context, file, strict);
}

}  // namespace sallyport::cli
