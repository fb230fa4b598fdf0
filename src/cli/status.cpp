// `sallyport status`: what a running broker does and has, over its admin socket.
#include "cli/admin_call.h"
#include "cli/exec_run.h"
#include "cli/options.h"
#include "cli/status_text.h"

#include <CLI/CLI.hpp>

namespace sallyport::cli {

namespace {

constexpr const char* examples = R"(
Examples:
  sallyport status
  sallyport status -c /etc/sallyport/sallyport.yaml --format json | jq .targets

Exit codes: 0 it answered; 2 error; 3 nothing listens there.
)";

}  // namespace

int run_status(Context& context, const std::vector<std::string>& arguments) {
  std::string socket;
  CLI::App app{"Shows what a running broker does and has: routes, pools, credentials, the trail",
               "sallyport status"};
  app.add_option("--socket", socket, "The broker's admin.socket; else that of the configuration");
  add_global_options(app, context);
  app.footer(examples);
  if (const auto code = parse_arguments(app, arguments, exit_error)) return *code;
  auto answer = call_broker(context, socket, {admin::Verb::status, {}});
  if (!answer) {
    print_error(answer.error());
    return answer.error().code == ErrorCode::not_found ? exit_unreachable : exit_error;
  }
  const auto& status = answer->json["status"];
  const auto text = context.format == "json"
                        ? status.dump(2, ' ', true, nlohmann::json::error_handler_t::replace) + "\n"
                        : status_text(status);
  return write_result(context, text) ? exit_ok : exit_error;
}

}  // namespace sallyport::cli
