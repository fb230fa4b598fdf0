// `sallyport whoami`: which identity each cloud gives this process, which provider gave it, and why those before it did
// not. All clouds are asked at once.
#include "cli/command.h"
#include "cli/errand.h"
#include "cli/exec_run.h"
#include "cli/options.h"
#include "cli/text_table.h"
#include "secrets/identities.h"
#include "trail/text.h"

#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

namespace sallyport::cli {

namespace {

constexpr const char* description =
    "Says which identity each cloud gives us, which of its providers gave it, and why the others did not.";

constexpr const char* examples = R"(
Examples:
  sallyport whoami                 every cloud
  sallyport whoami aws             one: aws, gcp, azure, kubernetes
  sallyport whoami --format json

AWS and Azure are asked; of Google Cloud and Kubernetes what the credentials say of themselves is read.
No secret is shown. Exit codes: 0 somebody, 1 nobody (or all are refused), 2 error.
)";

/// A metadata service that is not there costs its time-outs and no more.
constexpr auto whoami_deadline = std::chrono::seconds{20};

std::string left_of(const secrets::WhoAmI& who, Moment now) {
  if (!who.expires) return "-";
  const Duration left = *who.expires - now.wall;
  return left <= Duration::zero() ? "expired" : "in " + format_duration(left);
}

bool is_somebody(const secrets::WhoAmI& who) { return !who.provider.empty() && !who.refused; }

std::string identity_of(const secrets::WhoAmI& who) {
  if (who.provider.empty()) return "nobody";
  if (who.refused) return "refused";
  return who.identity.empty() ? "not known" : trail::printable(who.identity);
}

/// Which clouds give an identity at once, and what chooses; empty: one at most. A pod's account is beside its cloud's.
std::string choice_of(const std::vector<secrets::WhoAmI>& all) {
  std::string clouds;
  std::size_t found = 0;
  for (const auto& who : all) {
    if (!is_somebody(who) || who.cloud == "kubernetes") continue;
    clouds += (found++ == 0 ? "" : ", ") + who.cloud;
  }
  if (found < 2) return {};
  return "\n" + clouds +
         ": each gives an identity. A reference's scheme chooses between them (aws-…:, gcp-…:, azure-…:; "
         "vault: by "
         "?auth=)\n";
}

std::string as_text(const std::vector<secrets::WhoAmI>& all, Moment now, bool quiet) {
  TextTable table{{{"CLOUD"}, {"IDENTITY"}, {"PROVIDER"}, {"EXPIRES"}}};
  for (const auto& who : all) {
    table.add({who.cloud, identity_of(who), who.provider.empty() ? "-" : trail::printable(who.provider),
               left_of(who, now)});
  }
  std::string out = table.text();
  if (quiet) return out;
  out += choice_of(all);
  for (const auto& who : all) {
    if (who.tried.empty() && who.fix.empty()) continue;
    out += "\n" + who.cloud + "\n";
    for (const auto& [provider, reason] : who.tried) {
      out += "  " + trail::printable(provider) + ": " + trail::printable(reason) + "\n";
    }
    if (!who.fix.empty()) out += "  fix: " + trail::printable(who.fix) + "\n";
  }
  return out;
}

std::string as_json(const std::vector<secrets::WhoAmI>& all) {
  auto out = nlohmann::ordered_json::array();
  for (const auto& who : all) {
    nlohmann::ordered_json one{{"cloud", who.cloud}};
    if (!who.provider.empty()) one["provider"] = who.provider;
    if (!who.identity.empty()) one["identity"] = who.identity;
    if (who.refused) one["refused"] = true;
    if (who.expires) one["expires"] = format_utc(*who.expires);
    one["tried"] = nlohmann::ordered_json::array();
    for (const auto& [provider, reason] : who.tried) {
      one["tried"].push_back({{"provider", provider}, {"reason", reason}});
    }
    if (!who.fix.empty()) one["fix"] = who.fix;
    out.push_back(std::move(one));
  }
  return out.dump(2, ' ', false, nlohmann::json::error_handler_t::replace) + "\n";
}

/// In the words of who tried, when the conversation itself did not end.
secrets::WhoAmI failed(const std::string& cloud, const Error& error) {
  secrets::WhoAmI out;
  out.cloud = cloud;
  auto shown = error;
  shown.hint.clear();
  out.tried.push_back({cloud, describe(shown)});
  out.fix = error.hint;
  return out;
}

Result<std::vector<secrets::WhoAmI>> ask(Context& context, const std::vector<std::string>& clouds) {
  auto errand = Errand::prepare(context, true);
  if (!errand) return std::move(errand).error();
  std::vector<std::string> names;
  std::vector<std::unique_ptr<Conversation>> conversations;
  for (const auto& [name, make] : secrets::identities()) {
    const bool wanted = clouds.empty() || std::find(clouds.begin(), clouds.end(), name) != clouds.end();
    if (!wanted) continue;
    names.emplace_back(name);
    conversations.push_back(make());
  }
  std::vector<secrets::WhoAmI> all;
  auto outcomes = (*errand)->run_all(std::move(conversations), whoami_deadline);
  for (std::size_t i = 0; i < outcomes.size(); ++i) {
    auto& [end, conversation] = outcomes[i];
    all.push_back(end ? static_cast<secrets::IdentityConversation&>(*conversation).take()
                      : failed(names[i], end.error()));
  }
  return all;
}

}  // namespace

int run_whoami(Context& context, const std::vector<std::string>& arguments) {
  std::vector<std::string> clouds;
  std::vector<std::string> known;
  for (const auto& [name, make] : secrets::identities()) known.emplace_back(name);
  CLI::App app{description, "sallyport whoami"};
  app.footer(examples);
  app.add_option("CLOUD", clouds, "Only these")->check(CLI::IsMember(known));
  add_global_options(app, context);
  app.get_option("--config")->description("Configuration file; only checked: the clouds say who we are");
  if (const auto code = parse_arguments(app, arguments, exit_error)) return *code;
  if (!context.config_file.empty()) {
    if (const auto settings = load_settings(context, *context.environment); !settings) {
      print_error(settings.error());
      return exit_error;
    }
  }
  const auto all = ask(context, clouds);
  if (!all) {
    print_error(all.error());
    return exit_error;
  }
  const auto text =
      context.format == "json" ? as_json(*all) : as_text(*all, context.clock.now(), context.quiet);
  if (!write_result(context, text)) return exit_error;
  const bool anybody = std::any_of(all->begin(), all->end(), is_somebody);
  return anybody ? exit_ok : exit_findings;
}

}  // namespace sallyport::cli
