// `sallyport token`: one token of a cloud identity on standard output, for tools that take a password from a program
// (PGPASSWORD, libpq scripts): what the vendors' command lines do, without their start-up.
#include "cli/command.h"
#include "cli/command_record.h"
#include "cli/errand.h"
#include "cli/exec_run.h"
#include "cli/options.h"
#include "cli/secret_output.h"
#include "secrets/json_writer.h"
#include "secrets/reference.h"
#include "secrets/source.h"

#include <CLI/CLI.hpp>

#include <csignal>

namespace sallyport::cli {

namespace {

constexpr const char* description =
    "Prints a token that a database takes in place of a password, from the workload's own cloud identity.";

constexpr const char* examples = R"(
Examples:
  PGPASSWORD=$(sallyport token aws-rds --host db.abc.eu-west-1.rds.amazonaws.com --user app) psql "host=… user=app sslmode=verify-full"
  PGPASSWORD=$(sallyport token gcp) psql …                    Cloud SQL with IAM login
  PGPASSWORD=$(sallyport token azure) psql …                  Azure Database for PostgreSQL or MySQL
  sallyport token azure --scope https://database.windows.net/.default
  sallyport token aws-rds --host … --user app --format json   with the time at which it expires

A token is a secret for as long as it lives: do not put it on a command line. sallyport whoami says who it is for.
The audit trail says who had it printed.
Exit codes: 0 printed, 2 no identity gave one, 3 the cloud was not reached.
)";

struct Wish {
  std::string host, user, region, profile, scope, engine = "postgresql";
  std::vector<std::string> attributes;
  std::uint16_t port = 0;
};

Error bad(std::string what, std::string hint) {
  return {ErrorCode::bad_config, Hop::none, "token", std::move(what), std::move(hint), {}};
}

Result<secrets::Reference> reference_of(const std::string& scheme, const Wish& wish) {
  secrets::Reference out{scheme, {}, {}, {}};
  for (const auto& [name, value] :
       {std::pair{"region", wish.region}, {"profile", wish.profile}, {"scope", wish.scope}}) {
    if (!value.empty()) out.attributes.emplace(name, value);
  }
  for (const auto& one : wish.attributes) {
    const auto equals = one.find('=');
    if (equals == 0 || equals == std::string::npos) {
      return bad("--set " + one + " is not NAME=VALUE", "Write for example --set insecure_reason=test");
    }
    out.attributes.insert_or_assign(one.substr(0, equals), one.substr(equals + 1));
  }
  return out;
}

WipedBytes printed(const Context& context, const Credential& credential) {
  if (context.format != "json") {
    const auto seen = credential.secret.reveal();
    WipedBytes out{seen.begin(), seen.end()};
    out.push_back('\n');
    return out;
  }
  secrets::JsonWriter json;
  json.text("token", credential.secret.reveal());
  if (!credential.user.empty()) json.text("user", credential.user);
  if (credential.expires) json.text("expires", format_utc(*credential.expires));
  const auto text = json.finish();
  const auto seen = text.reveal();
  WipedBytes out{seen.begin(), seen.end()};
  out.push_back('\n');
  return out;
}

/// For the trail: which token, for whom. `from_identity`: the user that the identity is, where nobody named one.
std::string in_words(const std::string& command, const Wish& wish, const secrets::Purpose& purpose,
                     const std::string& from_identity) {
  auto out = "token " + command;
  const auto& user = wish.user.empty() ? from_identity : wish.user;
  if (!user.empty()) out += ", user " + user;
  for (const auto& one : purpose.hosts) out += ", host " + one.host + ":" + std::to_string(one.port);
  for (const auto& [name, value] :
       {std::pair{"region", wish.region}, {"profile", wish.profile}, {"scope", wish.scope}}) {
    if (!value.empty()) out += std::string{", "} + name + " " + value;
  }
  for (const auto& one : wish.attributes) out += ", " + one;
  return out;
}

Result<void> print_token(Context& context, const std::string& command, const std::string& scheme,
                         const Wish& wish) {
  const auto reference = reference_of(scheme, wish);
  if (!reference) return reference.error();
  const auto sources = secrets::register_all();
  const auto* source = sources.find(scheme);
  if (source == nullptr) return bad(scheme + " is not in this version", {});
  secrets::Purpose purpose{wish.engine, {}, wish.user};
  if (!wish.host.empty()) {
    const std::uint16_t usual = wish.engine == "mysql" ? 3306 : 5432;
    purpose.hosts.push_back({wish.host, wish.port == 0 ? usual : wish.port});
  }
  auto errand = Errand::prepare(context, true);
  if (!errand) return std::move(errand).error();
  std::signal(SIGPIPE,
              SIG_IGN);  // behind the helper, whose programs want it; a reader that has gone is an error
  auto session = source->open(*reference, purpose);
  if (!session) return std::move(session).error();
  auto output = SecretOutput::open(context.output_file);
  if (!output) return std::move(output).error();
  auto outcome = (*errand)->run((*session)->fetch());
  if (!outcome.end) return outcome.end;
  const auto fetched = static_cast<secrets::FetchConversation&>(*outcome.conversation).take();
  // Whoever has it logs in with it: what cannot stand in the trail is not printed.
  const auto what = in_words(command, wish, purpose, fetched.credential.user);
  if (auto written = record_command(context, what); !written) return written;
  auto done = output->write(printed(context, fetched.credential));
  if (!done) (void)record_command(context, what + ": not printed, or not all of it", "failed");
  return done;
}

void add_common(CLI::App& command, Context& context, Wish& wish) {
  command
      .add_option("--set", wish.attributes, "NAME=VALUE: any other attribute of the reference; repeatable")
      ->expected(1)
      ->take_all();
  add_global_options(command, context);
  command.get_option("--config")->description("Configuration file; only of its audit trail");
}

}  // namespace

int run_token(Context& context, const std::vector<std::string>& arguments) {
  Wish wish;
  CLI::App app{description, "sallyport token"};
  app.footer(examples);
  app.require_subcommand(1);
  auto* aws = app.add_subcommand("aws-rds", "Amazon RDS and Aurora: 15 minutes, for one host, port and user");
  aws->add_option("--host,--hostname", wish.host, "The endpoint, not a CNAME of it")->required();
  aws->add_option("--port", wish.port, "Default: the engine's");
  aws->add_option("--user,--username", wish.user, "The database's user")->required();
  aws->add_option("--engine", wish.engine, "postgresql or mysql: whose port")
      ->check(CLI::IsMember({"postgresql", "mysql"}));
  aws->add_option("--region", wish.region, "Default: the host's, else AWS_REGION, else the profile's");
  aws->add_option("--profile", wish.profile, "Of ~/.aws/config");
  add_common(*aws, context, wish);
  auto* gcp = app.add_subcommand("gcp", "Cloud SQL with IAM login: at most an hour");
  gcp->add_option("--user", wish.user, "Default: the identity's own");
  add_common(*gcp, context, wish);
  auto* azure = app.add_subcommand("azure", "Entra ID: for PostgreSQL and MySQL, or --scope");
  azure->add_option("--scope", wish.scope, "Default: https://ossrdbms-aad.database.windows.net/.default");
  azure->add_option("--user", wish.user, "Only for --format json");
  add_common(*azure, context, wish);
  if (const auto code = parse_arguments(app, arguments, exit_error)) return *code;
  const auto [command, scheme] = aws->parsed()   ? std::pair{"aws-rds", "aws-rds-iam"}
                                 : gcp->parsed() ? std::pair{"gcp", "gcp-cloudsql-iam"}
                                                 : std::pair{"azure", "azure-entra"};
  const auto done = print_token(context, command, scheme, wish);
  if (done) return exit_ok;
  print_error(done.error());
  const bool away = done.error().code == ErrorCode::retry_later || done.error().code == ErrorCode::timed_out;
  return away ? exit_unreachable : exit_error;
}

}  // namespace sallyport::cli
