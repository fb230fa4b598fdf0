// `sallyport exec`: runs an application whose DATABASE_URL is a reference.

#include "cli/environment_reference.h"
#include "cli/exec_run.h"
#include "cli/options.h"
#include "cli/runtime.h"
#include "dsn/dialect.h"
#include "dsn/local_tls.h"
#include "dsn/postgres.h"
#include "secrets/reference.h"

#include <CLI/CLI.hpp>

namespace sallyport::cli {

namespace {

constexpr const char* description =
    "Runs a command with no secret. The child finds a connection string that points at a private local\n"
    "socket; Sallyport fetches the credential, connects over verified TLS, and ends the credential "
    "afterwards.";

constexpr const char* examples = R"(
Examples:
  # DATABASE_URL is a reference with attributes
  export DATABASE_URL='vault:database/creds/app-role?engine=postgresql&host=db.example.com&dbname=production&run_as=app_owner'
  sallyport exec -- ./manage.py migrate

  # a password in a private file, the server's CA in another
  sallyport exec -e DATABASE_URL='file:/run/secrets/pw?host=db.example.com&dbname=app&user=app&sslrootcert=/etc/ca.pem' -- psql

  # two targets of the configuration file
  sallyport exec -c sallyport.yaml -e DATABASE_URL=production -e REPORTS_URL=reports -- ./app

Attributes of a reference: engine host port dbname user run_as sslmode sslrootcert sslcrl sslcert sslkey server_name
  tls_reason tls_until dialect login_methods login_reason target_session_attrs load_balance_hosts; beside these
  those of its source: shape; allow_world_readable of file:; of vault: what docs/vault.md lists.

Exit code: the command's own (128 + signal); 125 Sallyport failed, 126 not executable, 127 not found.
)";

struct ExecOptions {
  std::string target;
  std::vector<std::string> variables;
  std::string listen = "auto";
  std::string role;
  bool wait_all = false;
  bool strict = false;
  std::vector<std::string> keep_environment;
  std::vector<std::string> command;
};

Error usage(std::string what, std::string hint) {
  return {ErrorCode::bad_config, Hop::none, "exec", std::move(what), std::move(hint), {}};
}

/// Turns what was asked into targets; remembers what the environment was asked for.
class Planner {
 public:
  Planner(Context& context, const Environment& environment, const ExecOptions& options)
      : context_(context), environment_(environment), options_(options) {}

  Result<ExecRequest> plan() {
    if (auto loaded = load_configuration(); !loaded) return loaded.error();
    if (!options_.target.empty()) {
      if (auto added = add("DATABASE_URL", options_.target, "--target"); !added) return added.error();
    }
    for (const auto& entry : options_.variables) {
      const auto equals = entry.find('=');
      if (equals == 0 || equals == std::string::npos) {
        return usage("-e " + entry + " is not VAR=TARGET", "Write -e DATABASE_URL=production");
      }
      if (auto added = add(entry.substr(0, equals), entry.substr(equals + 1)); !added) return added.error();
    }
    if (request_.targets.empty()) {
      if (auto added = add_from_environment(); !added) return added.error();
    }
    if (auto checked = check_role(options_.role, texts_); !checked) return checked.error();
    warn_of_others();
    request_.command = options_.command;
    request_.wait_all = options_.wait_all;
    request_.strict = options_.strict;
    request_.keep_environment = {options_.keep_environment.begin(), options_.keep_environment.end()};
    request_.listen = options_.listen == "tcp"    ? ListenMode::tcp
                      : options_.listen == "unix" ? ListenMode::unix_socket
                                                  : ListenMode::automatic;
    return std::move(request_);
  }

 private:
  Result<void> load_configuration() {
    auto loaded = load_settings(context_, environment_);
    if (!loaded) return loaded.error();
    config_ = std::move(loaded->config);
    request_.audit = loaded->audit;
    request_.state_directory = loaded->state_directory;
    return {};
  }

  Result<void> add(const std::string& variable, const std::string& text, const char* argument = nullptr) {
    auto made = target_from_text(variable, text, config_, options_.role, context_.clock.now().wall);
    if (!made) return argument == nullptr ? made.error() : about_argument(made.error(), variable, argument);
    keep_dialect(*made);
    texts_.push_back(text);
    request_.targets.push_back(std::move(*made));
    return {};
  }

  // Whoever writes the environment must neither make us run a program nor weaken a check (threats 1, 14).
  Result<void> add_from_environment() {
    const auto value = environment_.secret("DATABASE_URL");
    if (!value) {
      return usage(
          "DATABASE_URL is not set",
          "Set it to a reference, e.g. vault:database/creds/app-role?host=…&dbname=…, or use -e VAR=TARGET");
    }
    const auto text = value->reveal();
    if (!secrets::looks_like_reference(text)) {
      constexpr const char* example = "e.g. file:/run/secrets/db?host=…&dbname=…&user=…";
      if (text.empty())
        return usage("DATABASE_URL is empty", std::string{"Set it to a reference, "} + example);
      if (const auto near = secrets::nearest_scheme(text); !near.empty()) {
        return usage("DATABASE_URL is not a reference: its scheme is unknown",
                     "Did you mean " + std::string{near} + ":?");
      }
      return usage(
          dsn::dialect_of(text) ? "DATABASE_URL is a connection string, not a reference"
                                : "DATABASE_URL is not a reference (value not shown: it may be a secret)",
          std::string{"Put its password where only Sallyport reads it and write the reference, "} + example);
    }
    if (auto checked = check_environment_reference("DATABASE_URL", text, fix_for_exec("DATABASE_URL"));
        !checked)
      return checked.error();
    return add("DATABASE_URL", std::string{text});
  }

  // -e VAR=TARGET where VAR holds a connection string already: its dialect is what the application reads.
  void keep_dialect(ExecTarget& target) const {
    const auto value = environment_.secret(target.variable);
    if (!value) return;
    if (const auto dialect = dsn::dialect_of(value->reveal())) target.dialect = *dialect;
    if (const auto own = dsn::parse_postgres(value->reveal())) target.demanded_tls = dsn::demanded_tls(*own);
  }

  void warn_of_others() const {
    for (const auto& name : environment_.names()) {
      const auto value = environment_.secret(name);
      bool taken = false;
      for (const auto& target : request_.targets) taken = taken || target.variable == name;
      if (taken || !value || !secrets::looks_like_reference(value->reveal())) continue;
      context_.logger.write(LogLevel::warning, "looks like a reference and was left alone",
                            {{"variable", name}, {"to_use_it", "-e " + name + "=REFERENCE"}});
    }
  }

  Context& context_;
  const Environment& environment_;
  const ExecOptions& options_;
  std::optional<config::Config> config_;
  ExecRequest request_;
  std::vector<std::string> texts_;  // of the targets, as they were given
};

}  // namespace

int run_exec(Context& context, const std::vector<std::string>& arguments) {
  ExecOptions options;
  CLI::App app{description, "sallyport exec"};
  app.footer(examples);
  app.add_option("-t,--target", options.target,
                 "Target for DATABASE_URL: a reference, or a name of the configuration");
  app.add_option("-e,--env", options.variables,
                 "VAR=TARGET: VAR gets a connection string for TARGET; repeatable")
      ->expected(1)
      ->take_all();
  app.add_option("--role", options.role, "Role of the target, when it has several");
  app.add_option("--listen", options.listen, "auto, unix or tcp")
      ->check(CLI::IsMember({"auto", "unix", "tcp"}));
  app.add_flag("--wait-all", options.wait_all, "Serve descendants that outlive the command");
  app.add_flag("--strict", options.strict, "Refuse when the child could ask for secrets by itself");
  app.add_option("--keep-env", options.keep_environment,
                 "Hand this variable on although a source used it; repeatable")
      ->expected(1)
      ->take_all();
  add_source_options(app, context);
  add_global_options(app, context, Writes::log);
  app.add_option("command", options.command, "The command and its arguments, behind --");
  app.positionals_at_end();
  if (const auto code = parse_arguments(app, arguments, exit_our_error)) return *code;
  if (const auto allowed = refuse_output_file(context); !allowed) {
    print_error(allowed.error());
    return exit_our_error;
  }
  if (options.command.empty()) {
    print_error(
        usage("no command", "Write sallyport exec -- COMMAND ARGUMENTS; sallyport exec --help explains"));
    return exit_our_error;
  }
  auto environment = context.environment;
  auto request = Planner{context, *environment, options}.plan();
  if (!request) {
    print_error(request.error());
    return exit_our_error;
  }
  return run_with_targets(context, environment, std::move(*request));
}

}  // namespace sallyport::cli
