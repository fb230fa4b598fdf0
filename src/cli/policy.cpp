// sallyport policy explain: who gets what on a route, and why, from the code that decides it in the broker. No socket
// is opened and no secret fetched.
#include "cli/audit_time.h"
#include "cli/command.h"
#include "cli/exec_run.h"
#include "cli/explain_identity.h"
#include "cli/options.h"
#include "cli/policy_report.h"

#include <CLI/CLI.hpp>

namespace sallyport::cli {

namespace {

constexpr const char* examples = R"(
Examples:
  sallyport policy explain --route unix:/run/sallyport/production
  sallyport policy explain --route unix:/run/sallyport/production --identity user:app --user app_rw
  sallyport policy explain --identity password:alice --at 2026-07-04T22:00 --format json
  sallyport policy explain --identity "gid:50(staff) uid:1000"       # as the trail prints it
  sallyport policy explain --identity uid:1000 --identity executable:/usr/bin/app

Exit codes: 0 admitted (or nobody was asked about), 1 refused, or it depends, 2 error.
)";

struct Wish {
  std::string route, user, database, at, from, replication;
  std::vector<std::string> identities;
};

Error bad(std::string where, std::string what, std::string hint) {
  return {ErrorCode::bad_config, Hop::none, std::move(where), std::move(what), std::move(hint), {}};
}

Result<const Route*> find_route(const config::Config& config, const std::string& name) {
  std::string known;
  for (const auto& route : config.routes) {
    known += (known.empty() ? "" : ", ") + route.name;
    const bool meant =
        route.name == name || route.name == name + ":5432" || (name.empty() && config.routes.size() == 1);
    if (meant) return &route;
  }
  if (known.empty()) return bad("--route", "the configuration has no routes", "Add one under `routes`");
  return bad("--route", name.empty() ? "is missing, and there are several" : "there is none named " + name,
             "Routes: " + known);
}

Result<PolicyQuestion> question_of(const Wish& wish, const Route& route, const Target& target, WallTime now) {
  PolicyQuestion question{route, target, {}, {wish.user, wish.database}, now, wish.from};
  auto identity = parse_identity(wish.identities, this_machine());
  if (!identity) return identity.error();
  question.identity = std::move(*identity);
  // A password is proven by connecting with its name.
  if (question.claims.user.empty()) question.claims.user = question.identity.login;
  if (!wish.from.empty()) {
    question.identity.address = policy::parse_ip_address(wish.from);
    if (!question.identity.address) return bad("--from", "is no IP address", "Example: --from 10.0.0.7");
  }
  if (!wish.at.empty()) {
    const auto at = parse_time(wish.at, now);
    if (!at)
      return bad("--at", at.error().what, "Write e.g. 2026-07-01T08:00, with Z or +02:00; UTC without");
    question.at = *at;
  }
  if (wish.replication == "physical") question.claims.replication = policy::Replication::physical;
  if (wish.replication == "logical") question.claims.replication = policy::Replication::logical;
  return question;
}

Result<int> explain(const Wish& wish, Context& context) {
  const auto settings = load_settings(context, *context.environment);
  if (!settings) return settings.error();
  if (!settings->config) {
    return bad("policy", "there is no configuration file",
               "Name it with -c sallyport.yaml; docs/configuration.md has an example");
  }
  const auto found = find_route(*settings->config, wish.route);
  if (!found) return found.error();
  const auto& route = **found;
  const auto& target = settings->config->targets.at(route.target);
  const bool json = context.format == "json";
  if (wish.identities.empty()) {
    const auto text = json ? rules_json(route, target) : rules_text(route, target);
    return int{write_result(context, text) ? exit_ok : exit_error};
  }
  const auto question = question_of(wish, route, target, context.clock.now().wall);
  if (!question) return question.error();
  const auto explanation = policy::explain(route, target, question->identity, question->claims, question->at);
  const auto text =
      json ? explanation_json(*question, explanation) : explanation_text(*question, explanation);
  if (!write_result(context, text)) return int{exit_error};
  return int{explanation.decision ? exit_ok : exit_findings};
}

}  // namespace

int run_policy(Context& context, const std::vector<std::string>& arguments) {
  Wish wish;
  CLI::App app{"Who gets what, and why.", "sallyport policy"};
  app.require_subcommand(1);
  auto* command = app.add_subcommand("explain", "Say what an identity gets on a route, and why");
  command->add_option("--route", wish.route, "The route's `listen`; may be left out where there is only one");
  command->add_option(
      "--identity", wish.identities,
      std::string{identity_words} + "; several make one identity. Without: a table of all rules");
  command->add_option("--user", wish.user, "The user name that the client asks for");
  command->add_option("--database", wish.database, "The database that it asks for");
  command->add_option("--at", wish.at, "When: 2026-07-01T08:00, with Z or +02:00; now if left out");
  command->add_option("--from", wish.from, "Its IP address, over TCP");
  command
      ->add_option("--replication", wish.replication,
                   "It asks for a replication session: physical or logical")
      ->check(CLI::IsMember({"physical", "logical"}));
  add_global_options(app, context);
  add_global_options(*command, context);
  command->footer(examples);
  app.footer(examples);
  if (const auto code = parse_arguments(app, arguments, exit_error)) return *code;
  const auto code = explain(wish, context);
  if (code) return *code;
  print_error(code.error());
  return exit_error;
}

}  // namespace sallyport::cli
