// `sallyport vault plan|apply FILE`: Vault's database engine as a file describes it. Both read what is there and show the
// difference; apply makes it so, after asking.
#include "cli/command.h"
#include "cli/command_record.h"
#include "cli/confirm.h"
#include "cli/errand.h"
#include "cli/exec_run.h"
#include "cli/options.h"
#include "cli/vault_password.h"
#include "cli/vault_plan_form.h"
#include "config/vault_file.h"
#include "secrets/source.h"
#include "secrets/vault/engine/engine.h"

#include <CLI/CLI.hpp>

#include <algorithm>
#include <cstdio>

namespace sallyport::cli {

namespace {

namespace engine = secrets::vault::engine;

constexpr const char* description =
    "Sets up Vault's (or OpenBao's) database engine: connections, roles and static roles, as FILE says.\n"
    "plan shows the difference and changes nothing; apply shows it, asks, and makes it so.";

constexpr const char* examples = R"TXT(
Examples:
  sallyport vault plan vault.yaml
  sallyport vault plan vault.yaml -c sallyport.yaml     where the databases are and what roles there are: from it
  sallyport vault apply vault.yaml
  sallyport vault apply vault.yaml --yes --format json
  sallyport vault apply vault.yaml --rotate-root production    only Vault knows its password afterwards

A file:
  version: 1
  connections:
    production:
      connection_url: postgresql://db.example.com:5432/app?sslmode=verify-full
      username: vault_admin
      auth: file:/run/secrets/vault-admin
  roles:
    app-rw: {grants: owner, owner: app_owner}
    app-ro: {grants: read, owner: app_owner, default_ttl: 30min}

Exit codes: plan 0 nothing to do, 1 changes; apply 0 done, or nothing to do; both 2 error, 3 Vault or its database was not
reached.
)TXT";

struct Wish {
  std::string file;
  bool apply = false, yes = false;
  std::vector<std::string> set_password, rotate_root;
};

/// All but the last are printed, the last is the caller's.
Error told(const std::vector<Error>& errors) {
  for (std::size_t i = 0; i + 1 < errors.size(); ++i) print_error(errors[i]);
  return errors.back();
}

Result<config::VaultFile> load(const Context& context, const std::string& file) {
  const auto now = context.clock.now().wall;
  std::optional<config::Config> config;
  if (!context.config_file.empty()) {
    auto loaded = config::load(context.config_file, now);
    if (!loaded) return told(loaded.error());
    config = std::move(*loaded);
  }
  auto loaded = config::load_vault_file(file, now, config ? &*config : nullptr);
  if (!loaded) return told(loaded.error());
  if (!context.quiet) {
    for (const auto& warning : loaded->warnings) context.logger.write(LogLevel::warning, warning, {});
  }
  return std::move(*loaded);
}

Result<void> check_names(const engine::Wanted& wanted, const std::vector<std::string>& names,
                         const char* flag) {
  std::string known;
  for (const auto& [name, connection] : wanted.connections) known += (known.empty() ? "" : ", ") + name;
  for (const auto& name : names) {
    if (wanted.connections.contains(name)) continue;
    return Error{ErrorCode::bad_config,
                 Hop::none,
                 flag,
                 "the file has no connection of that name",
                 known.empty() ? "It has none" : "It has " + known,
                 {}};
  }
  return {};
}

/// Roles without number take their time.
Duration deadline_for(std::size_t objects) { return errand_deadline + std::chrono::seconds{2} * objects; }

class VaultCommand {
 public:
  VaultCommand(Context& context, const Wish& wish) : context_(context), wish_(wish) {}

  /// The exit code.
  Result<int> run() {
    auto errand = Errand::prepare(context_, true);
    if (!errand) return std::move(errand).error();
    errand_ = std::move(*errand);
    auto file = load(context_, wish_.file);
    if (!file) return std::move(file).error();
    file_ = std::move(*file);
    if (auto checked = check_names(file_.wanted, wish_.set_password, "--set-password"); !checked)
      return std::move(checked).error();
    if (auto checked = check_names(file_.wanted, wish_.rotate_root, "--rotate-root"); !checked)
      return std::move(checked).error();
    const auto reference = secrets::parse_reference(file_.reference);
    if (!reference) return reference.error();
    auto session = engine::Session::open(*reference, {context_.allow_root_token});
    if (!session) return std::move(session).error();
    session_ = std::move(*session);
    auto code = plan_and_apply();
    if (auto close = session_->close()) (void)errand_->run(std::move(close));
    return code;
  }

 private:
  Result<int> plan_and_apply() {
    objects_ = engine::objects_of(file_.wanted);
    auto outcome = errand_->run(session_->read(objects_), deadline_for(objects_.size()));
    tell_warnings();
    if (!outcome.end) return std::move(outcome.end).error();
    plan_ = static_cast<engine::ReadPlan&>(*outcome.conversation).take();
    passwords_ = engine::needs_password(plan_);
    for (const auto& name : wish_.set_password) {
      if (std::find(passwords_.begin(), passwords_.end(), name) == passwords_.end())
        passwords_.push_back(name);
    }
    const auto shown = shown_plan();
    const bool json = context_.format == "json";
    if (!json && !print(plan_as_text(shown, context_.color, context_.quiet))) return exit_error;
    if (!wish_.apply) {
      if (json && !print(plan_as_json(shown))) return exit_error;
      return has_changes(shown) ? exit_findings : exit_ok;
    }
    if (auto possible = check_possible(); !possible) return std::move(possible).error();
    std::vector<std::string> made;
    Result<void> done;
    if (has_changes(shown)) {
      if (!wish_.yes) {
        if (auto yes = confirm("Make these changes?", "vault apply", "Add --yes"); !yes)
          return std::move(yes).error();
      }
      done = apply(made);
    }
    if (json) {
      auto after = shown_plan();
      after.made = made;
      if (!print(plan_as_json(after))) return exit_error;
    } else {
      for (const auto& one : made) std::printf("done: %s\n", one.c_str());
      std::fflush(stdout);
    }
    if (!done) return std::move(done).error();
    return exit_ok;
  }

  [[nodiscard]] ShownPlan shown_plan() const {
    return {objects_,
            plan_,
            session_->address(),
            file_.wanted.mount,
            engine::advice_on(file_.wanted),
            passwords_,
            wish_.rotate_root};
  }

  [[nodiscard]] bool print(const std::string& text) const { return write_result(context_, text); }

  [[nodiscard]] Result<void> check_possible() const {
    for (const auto& change : plan_.changes) {
      if (change.impossible.empty()) continue;
      return Error{ErrorCode::bad_config,
                   Hop::none,
                   std::string{engine::name_of(change.kind)} + " " + change.name,
                   "cannot be changed to what the file says; nothing was changed",
                   change.impossible,
                   {}};
    }
    return {};
  }

  Result<void> apply(std::vector<std::string>& made) {
    engine::Order order;
    order.objects = objects_;
    order.plan = plan_;
    order.rotate_root = wish_.rotate_root;
    for (const auto& name : passwords_) {
      auto password = fetch_password(context_, *errand_, file_.wanted.connections.at(name));
      if (!password) return std::move(password).error();
      order.passwords.emplace(name, std::move(*password));
    }
    const auto what = "vault apply of " + session_->address() + "/" + file_.wanted.mount;
    auto written = record_command(context_, what + ": " + changes_in_words(shown_plan()));
    if (!written) return written;
    auto outcome = errand_->run(session_->apply(std::move(order)), deadline_for(objects_.size()));
    made = static_cast<engine::ApplyPlan&>(*outcome.conversation).made();
    if (outcome.end) return {};
    auto error = std::move(outcome.end).error();
    (void)record_command(context_, what + " ended early: " + std::string{name_of(error.code)}, "failed");
    if (!made.empty())
      error.hint += std::string{error.hint.empty() ? "" : ". "} +
                    "What was done stays; after mending it, run apply again";
    return error;
  }

  void tell_warnings() const {
    if (context_.quiet) return;
    for (const auto& warning : session_->warnings()) context_.logger.write(LogLevel::warning, warning, {});
  }

  Context& context_;
  const Wish& wish_;
  config::VaultFile file_;
  std::vector<engine::Object> objects_;
  engine::Plan plan_;
  std::vector<std::string> passwords_;
  std::unique_ptr<Errand> errand_;
  std::unique_ptr<engine::Session> session_;
};

void add_common(CLI::App& command, Context& context, Wish& wish) {
  command.add_option("FILE", wish.file, "What Vault shall have (docs/vault-setup.md)")->required();
  command
      .add_option("--set-password", wish.set_password, "CONNECTION: send its password although Vault has one")
      ->expected(1)
      ->take_all();
  command
      .add_option("--rotate-root", wish.rotate_root,
                  "CONNECTION: let Vault change its own password there, which nobody else knows then")
      ->expected(1)
      ->take_all();
  add_source_options(command, context);
  add_global_options(command, context);
}

}  // namespace

int run_vault(Context& context, const std::vector<std::string>& arguments) {
  Wish wish;
  CLI::App app{description, "sallyport vault"};
  app.footer(examples);
  app.require_subcommand(1);
  auto* plan = app.add_subcommand("plan", "Shows what would change");
  auto* apply = app.add_subcommand("apply", "Shows it, asks, and makes it so");
  for (auto* command : {plan, apply}) add_common(*command, context, wish);
  apply->add_flag("--yes", wish.yes, "Do not ask");
  if (const auto code = parse_arguments(app, arguments, exit_error)) return *code;
  wish.apply = apply->parsed();
  if (wish.apply && context.format == "json" && !wish.yes) {
    print_error({ErrorCode::bad_config, Hop::none, "--format json", "leaves nobody to ask", "Add --yes", {}});
    return exit_error;
  }
  auto code = VaultCommand{context, wish}.run();
  if (code) return *code;
  print_error(code.error());
  const auto& error = code.error();
  // A broker asks again, as the admin's password may be on its way; here somebody has to mend it.
  const bool refused = error.what.find("refused Vault's own login") != std::string::npos;
  const bool away = !refused && (error.code == ErrorCode::retry_later || error.code == ErrorCode::timed_out);
  return away ? exit_unreachable : exit_error;
}

}  // namespace sallyport::cli
