// `sallyport connect`: a client of the database's own, started ready to use.

#include "cli/exec_run.h"
#include "cli/options.h"
#include "secrets/reference.h"

#include <CLI/CLI.hpp>

namespace sallyport::cli {

namespace {

constexpr const char* examples = R"(
Examples:
  sallyport connect -c sallyport.yaml production
  sallyport connect -c sallyport.yaml production -- -c 'SELECT current_user'
  sallyport connect 'vault:database/creds/app-ro?host=db.example.com&dbname=production'

Exit code: psql's own; 125 Sallyport failed, 127 psql is not installed.
)";

struct ConnectOptions {
  std::string target;
  std::string role;
  std::vector<std::string> client_arguments;
};

Result<ExecRequest> plan(Context& context, const ConnectOptions& options) {
  auto settings = load_settings(context, *context.environment);
  if (!settings) return settings.error();
  auto target = target_from_text("DATABASE_URL", options.target, settings->config, options.role,
                                 context.clock.now().wall);
  if (!target) return about_argument(target.error(), "DATABASE_URL", "TARGET");
  if (auto checked = check_role(options.role, {options.target}); !checked) return checked.error();
  ExecRequest request;
  request.targets.push_back(std::move(*target));
  request.command = {"psql"};
  request.command.insert(request.command.end(), options.client_arguments.begin(),
                         options.client_arguments.end());
  request.audit = settings->audit;
  request.state_directory = settings->state_directory;
  return request;
}

}  // namespace

int run_connect(Context& context, const std::vector<std::string>& arguments) {
  ConnectOptions options;
  CLI::App app{"Starts psql, connected to a target through Sallyport.", "sallyport connect"};
  app.footer(examples);
  app.add_option("target", options.target, "A target of the configuration, or a reference")->required();
  app.add_option("--role", options.role, "Role of the target, when it has several");
  add_source_options(app, context);
  add_global_options(app, context, Writes::log);
  app.add_option("client", options.client_arguments, "psql's own arguments, behind --");
  if (const auto code = parse_arguments(app, arguments, exit_our_error)) return *code;
  if (const auto allowed = refuse_output_file(context); !allowed) {
    print_error(allowed.error());
    return exit_our_error;
  }
  auto request = plan(context, options);
  if (!request) {
    print_error(request.error());
    return exit_our_error;
  }
  return run_with_targets(context, context.environment, std::move(*request));
}

}  // namespace sallyport::cli
