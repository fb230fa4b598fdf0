// `sallyport pause|resume|drain|reconnect [TARGET]` and `reload`: what an operator tells a running broker.
#include "cli/admin_call.h"
#include "cli/exec_run.h"
#include "cli/options.h"

#include <CLI/CLI.hpp>

#include <cstdio>

namespace sallyport::cli {

namespace {

struct Description {
  admin::Verb verb;
  const char* what;
  const char* example;
};

int run(Context& context, const std::vector<std::string>& arguments, const Description& description) {
  const auto name = std::string{name_of(description.verb)};
  admin::Command command{description.verb, {}};
  std::string socket;
  CLI::App app{description.what, "sallyport " + name};
  if (description.verb != admin::Verb::reload) {
    app.add_option("TARGET", command.target, "A target of the configuration; left out: all of them");
  }
  app.add_option("--socket", socket, "The broker's admin.socket; else that of the configuration");
  add_global_options(app, context);
  app.footer(std::string{"\nExample:\n  "} + description.example + "\n\ndocs/operations.md says more.\n");
  if (const auto code = parse_arguments(app, arguments, exit_error)) return *code;
  const auto answer = call_broker(context, socket, command);
  if (!answer) {
    print_error(answer.error());
    return answer.error().code == ErrorCode::not_found ? exit_unreachable : exit_error;
  }
  if (context.format == "json") {
    std::printf("%s\n", answer->json.dump(2).c_str());
  } else if (!context.quiet) {
    std::printf("%s\n", answer->json.value("text", "").c_str());
  }
  return exit_ok;
}

}  // namespace

int run_pause(Context& context, const std::vector<std::string>& arguments) {
  return run(
      context, arguments,
      {admin::Verb::pause,
       "New sessions of a target wait, as long as pool.wait_max; those that live go on. It lasts until "
       "resume, also across a reload.",
       "sallyport pause production && sallyport drain production"});
}

int run_resume(Context& context, const std::vector<std::string>& arguments) {
  return run(context, arguments,
             {admin::Verb::resume, "Ends a pause: who waits is served.", "sallyport resume production"});
}

int run_drain(Context& context, const std::vector<std::string>& arguments) {
  return run(
      context, arguments,
      {admin::Verb::drain,
       "Each session of a target ends at its next transaction boundary with SQLSTATE 57P01. New ones are "
       "served, unless the target is paused.",
       "sallyport drain production"});
}

int run_reconnect(Context& context, const std::vector<std::string>& arguments) {
  return run(
      context, arguments,
      {admin::Verb::reconnect,
       "Replaces the connections to a target's server: ready ones are closed now, those in use when their "
       "session gives them back.",
       "sallyport reconnect production"});
}

int run_reload(Context& context, const std::vector<std::string>& arguments) {
  return run(context, arguments,
             {admin::Verb::reload, "Reads the configuration again, as SIGHUP does, and says what changed.",
              "sallyport reload"});
}

}  // namespace sallyport::cli
