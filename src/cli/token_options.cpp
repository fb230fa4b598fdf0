#include "cli/token_options.h"

#include "base/ascii.h"
#include "cli/options.h"
#include "secrets/attributes.h"

#include <CLI/CLI.hpp>

#include <algorithm>
#include <charconv>
#include <string_view>

namespace sallyport::cli {

namespace {

constexpr const char* description =
    "Prints a token that a database takes in place of a password, from the workload's own cloud identity.";

constexpr const char* examples = R"(
Examples:
  PGPASSWORD=$(sallyport token aws-rds --host db.abc.eu-west-1.rds.amazonaws.com --user app) psql "host=… user=app sslmode=verify-full"
  PGPASSWORD=$(sallyport token gcp) psql …                    Cloud SQL with IAM login
  PGPASSWORD=$(sallyport token azure) psql …                  Azure Database for PostgreSQL or MySQL

A token is a secret for as long as it lives: do not put it on a command line. sallyport whoami says who it is for.
The audit trail says who had it printed. sallyport token COMMAND --help has the options and more examples.
Exit codes: 0 printed, 2 no identity gave one, 3 the cloud was not reached.
)";

constexpr const char* aws_examples = R"(
Examples:
  sallyport token aws-rds --host db.abc.eu-west-1.rds.amazonaws.com --user app
  sallyport token aws-rds --host db.example.com --user app --region eu-west-1 --set sign_host=db.abc.eu-west-1.rds.amazonaws.com
  sallyport token aws-rds --host db.abc.eu-west-1.rds.amazonaws.com --user app --profile prod --format json
  sallyport token aws-rds --host db.abc.eu-west-1.rds.amazonaws.com --user app --engine mysql -o token    a file that only we may read
)";

constexpr const char* gcp_examples = R"(
Examples:
  PGPASSWORD=$(sallyport token gcp) psql "host=10.0.0.3 user=app@project.iam dbname=app sslmode=verify-ca sslrootcert=server-ca.pem"
  sallyport token gcp --format json                               with the user and when it expires
  sallyport token gcp --set allow_world_readable=true -o token     a file that only we may read
)";

constexpr const char* azure_examples = R"(
Examples:
  PGPASSWORD=$(sallyport token azure) psql "host=shop.postgres.database.azure.com user=shop-app dbname=app sslmode=verify-full sslrootcert=system"
  sallyport token azure --scope https://database.windows.net/.default
  sallyport token azure --set client_id=dddddddd-0000-0000-0000-000000000004 -o token    a file that only we may read
)";

Error bad(std::string what, std::string hint) {
  return {ErrorCode::bad_config, Hop::none, "token", std::move(what), std::move(hint), {}};
}

bool is_alnum(char c) { return (c >= '0' && c <= '9') || (to_lower(c) >= 'a' && to_lower(c) <= 'z'); }

bool is_digits(std::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; });
}

/// The host is signed as it stands: only a name is.
Result<void> check_host(const std::string& host) {
  const bool plain = std::all_of(host.begin(), host.end(),
                                 [](char c) { return is_alnum(c) || c == '.' || c == '-' || c == '_'; });
  if (plain && is_alnum(host.front())) return {};
  const auto colon = host.rfind(':');
  if (host.find("://") != std::string::npos)
    return bad("--host " + host + " is a URL", "Write the host's name alone");
  if (host.find(',') != std::string::npos)
    return bad("--host " + host + " is a list: a token is signed for one host", "Ask for a token for each");
  if (colon != std::string::npos && is_digits(std::string_view{host}.substr(colon + 1))) {
    return bad("--host " + host + " has a port in it",
               "Write --host " + host.substr(0, colon) + " --port " + host.substr(colon + 1));
  }
  return bad("--host " + host + " is no host's name",
             "Write for example --host db.c1a2b3.eu-west-1.rds.amazonaws.com");
}

Result<std::uint16_t> parse_port(const std::string& text, std::uint16_t usual) {
  if (text.empty()) return usual;
  std::uint16_t port = 0;
  const auto [end, problem] = std::from_chars(text.data(), text.data() + text.size(), port);
  if (problem != std::errc{} || end != text.data() + text.size() || port == 0)
    return bad("--port " + text + " is no port", "Write --port 5432 (1 to 65535)");
  return port;
}

/// "eu-west-1", "us-gov-west-1", "eusc-de-east-1": words of letters, at least two, and a number.
bool is_region(std::string_view text) {
  std::size_t words = 0;
  for (auto dash = text.find('-'); dash != std::string_view::npos; dash = text.find('-')) {
    const auto word = text.substr(0, dash);
    if (word.empty() || !std::all_of(word.begin(), word.end(), [](char c) { return c >= 'a' && c <= 'z'; }))
      return false;
    ++words;
    text.remove_prefix(dash + 1);
  }
  return words >= 2 && is_digits(text);
}

/// Which of a reference's attributes are options here.
bool is_option(const TokenWish& wish, std::string_view name) {
  if (name == "user") return true;
  if (wish.command == "azure") return name == "scope";
  return wish.command == "aws-rds" &&
         (name == "host" || name == "port" || name == "region" || name == "profile" || name == "engine");
}

Result<void> check_set(const TokenWish& wish, const std::string& name) {
  if (secrets::find_attribute(name, {}) == nullptr) return {};  // no attribute of a target
  if (is_option(wish, name)) return bad("--set " + name + "=… has no effect", "Write --" + name + " …");
  return bad("--set " + name + "=… has no meaning for a token", "Leave it out");
}

/// An option that was given and says nothing: `--region "$UNSET"`.
void refuse_empty(CLI::App& command) {
  for (auto* option : command.get_options()) {
    if (option->get_expected_max() == 0 || option->get_name() == "--help") continue;
    option->check([](const std::string& value) {
      return value.empty() ? std::string{"it is empty: leave it out, or say what it is"} : std::string{};
    });
  }
}

void add_common(CLI::App& command, Context& context, TokenWish& wish, const char* footer) {
  command
      .add_option("--set", wish.attributes, "NAME=VALUE: any other attribute of the reference; repeatable")
      ->expected(1)
      ->take_all();
  refuse_empty(command);
  add_global_options(command, context);
  command.get_option("--config")->description("Configuration file; only of its audit trail");
  command.footer(footer);
}

}  // namespace

std::optional<int> read_token_options(Context& context, const std::vector<std::string>& arguments,
                                      TokenWish& wish) {
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
  add_common(*aws, context, wish, aws_examples);
  auto* gcp = app.add_subcommand("gcp", "Cloud SQL with IAM login: at most an hour");
  gcp->add_option("--user", wish.user, "Default: the identity's own");
  add_common(*gcp, context, wish, gcp_examples);
  auto* azure = app.add_subcommand("azure", "Entra ID: for PostgreSQL and MySQL, or --scope");
  azure->add_option("--scope", wish.scope, "Default: https://ossrdbms-aad.database.windows.net/.default");
  azure->add_option("--user", wish.user, "Only for --format json");
  add_common(*azure, context, wish, azure_examples);
  if (const auto code = parse_arguments(app, arguments, exit_error)) return code;
  wish.command = app.get_subcommands().front()->get_name();
  wish.scheme = aws->parsed() ? "aws-rds-iam" : gcp->parsed() ? "gcp-cloudsql-iam" : "azure-entra";
  return std::nullopt;
}

Result<secrets::Reference> reference_of(const TokenWish& wish) {
  if (!wish.region.empty() && !is_region(wish.region))
    return bad("--region " + wish.region + " is no region", "Write for example --region eu-west-1");
  secrets::Reference out{wish.scheme, {}, {}, {}};
  for (const auto& [name, value] :
       {std::pair{"region", wish.region}, {"profile", wish.profile}, {"scope", wish.scope}}) {
    if (!value.empty()) out.attributes.emplace(name, value);
  }
  for (const auto& one : wish.attributes) {
    const auto equals = one.find('=');
    if (equals == 0 || equals == std::string::npos) {
      return bad("--set " + one + " is not NAME=VALUE", "Write for example --set insecure_reason=test");
    }
    if (auto checked = check_set(wish, one.substr(0, equals)); !checked) return std::move(checked).error();
    out.attributes.insert_or_assign(one.substr(0, equals), one.substr(equals + 1));
  }
  return out;
}

Result<secrets::Purpose> purpose_of(const TokenWish& wish) {
  secrets::Purpose out{wish.engine, {}, wish.user};
  if (wish.host.empty()) return out;
  if (auto checked = check_host(wish.host); !checked) return std::move(checked).error();
  const auto port = parse_port(wish.port, wish.engine == "mysql" ? 3306 : 5432);
  if (!port) return port.error();
  out.hosts.push_back({wish.host, *port});
  return out;
}

Error in_options(Error error, const TokenWish& wish) {
  const auto translated = [&](const std::string& text) {
    std::string out;
    for (std::size_t at = 0; at < text.size();) {
      const bool starts = at == 0 || (!is_alnum(text[at - 1]) && text[at - 1] != '_' && text[at - 1] != '-');
      auto end = at + (text[at] == '?' ? 1U : 0U);
      const auto name_at = end;
      while (end < text.size() && (is_alnum(text[end]) || text[end] == '_')) ++end;
      const auto name = text.substr(name_at, end - name_at);
      const bool attribute = starts && end < text.size() && text[end] == '=';
      const bool named = attribute && is_option(wish, name);
      if (attribute && (name == "sign_host" || name == "insecure_reason")) out += "--set ";
      if (!named) {
        out.append(text, at, std::max(end, at + 1) - at);
        at = std::max(end, at + 1);
        continue;
      }
      const bool valued =
          end + 1 < text.size() && std::string_view{" ,;.)"}.find(text[end + 1]) == std::string_view::npos;
      out += "--" + name + (valued ? " " : "");
      at = end + 1;
    }
    return out;
  };
  error.what = translated(error.what);
  error.hint = translated(error.hint);
  return error;
}

}  // namespace sallyport::cli
