// `sallyport serve`: the broker as a service, by the configuration file.
//
// SIGHUP reloads whole or not at all, SIGTERM drains, a second SIGTERM stops. What it does stands in service.h.

#include "cli/exec_run.h"
#include "cli/options.h"
#include "cli/service.h"

#include <CLI/CLI.hpp>

namespace sallyport::cli {

namespace {

constexpr const char* examples = R"(
Examples:
  sallyport serve -c /etc/sallyport/sallyport.yaml
  sallyport check-config /etc/sallyport/sallyport.yaml     # before a reload
  sallyport serve --take-over -c FILE                      # a binary upgrade: no client is refused or cut off
  kill -HUP  PID    # reload: sessions that a valid file refuses end; an invalid one changes nothing
  kill -TERM PID    # drain: no new sessions, live ones may end by themselves (5 min); a second one stops at once

docs/systemd.md has a unit.
)";

}  // namespace

int run_serve(Context& context, const std::vector<std::string>& arguments) {
  CLI::App app{"Runs the broker as a service.", "sallyport serve"};
  app.footer(examples);
  add_source_options(app, context);
  add_global_options(app, context, Writes::log);
  bool take_over = false;
  app.add_flag(
      "--take-over", take_over,
      "Take the sockets of the Sallyport that runs with this configuration, which ends when its sessions "
      "have; start as usual if none runs");
  if (const auto code = parse_arguments(app, arguments, exit_error)) return *code;
  if (const auto allowed = refuse_output_file(context); !allowed) {
    print_error(allowed.error());
    return exit_error;
  }
  auto settings = load_settings(context, *context.environment);
  if (!settings) {
    print_error(settings.error());
    return exit_error;
  }
  if (!settings->config) {
    print_error({ErrorCode::bad_config,
                 Hop::config,
                 "serve",
                 "there is no configuration file",
                 "Name it with -c sallyport.yaml; docs/configuration.md has an example",
                 {}});
    return exit_error;
  }
  Service service{context, context.environment, std::move(*settings), take_over};
  const auto started = service.start();
  if (started) service.run();
  service.stop();
  if (started) {
    context.logger.write(LogLevel::info, "ended");
    return exit_ok;
  }
  print_error(started.error());
  return exit_error;
}

}  // namespace sallyport::cli
