// `sallyport resolve`: what a reference leads to. It asks the source as the broker would, says what came back and where
// from, and shows the secret only when it is told to.
#include "cli/command.h"
#include "cli/command_record.h"
#include "cli/environment_reference.h"
#include "cli/errand.h"
#include "cli/exec_run.h"
#include "cli/options.h"
#include "cli/resolve_open.h"
#include "cli/resolve_watch.h"
#include "cli/resolved_form.h"
#include "cli/reveal.h"
#include "cli/secret_output.h"
#include "secrets/attributes.h"
#include "trail/text.h"

#include <CLI/CLI.hpp>

#include <csignal>

namespace sallyport::cli {

namespace {

constexpr const char* description =
    "Asks a reference's source and says what it gives: kind, user, version, lease, expiry; the secret itself "
    "only\n"
    "with --reveal. Without REF it is that of DATABASE_URL. A lease is ended again unless its secret was "
    "shown.";

constexpr const char* examples = R"TXT(
Examples:
  sallyport resolve vault:database/creds/app-role
  sallyport resolve 'aws-sm:prod/database/connection?region=eu-west-1' --format json
  sallyport resolve file:/run/secrets/db --reveal
  eval "$(sallyport resolve 'vault:secret/prod/db?host=db.example.com' --reveal --yes --format env)"; psql
  sallyport resolve production/app -c sallyport.yaml    what that role's reference leads to
  sallyport resolve k8s:prod/db#password --watch        a line for each change, until Ctrl-C

--reveal asks on the terminal; elsewhere it needs --yes. The audit trail says who did it.
Exit codes: 0 resolved, 2 it could not be, 3 its source was not reached.
)TXT";

struct Wish {
  std::string reference;
  bool reveal = false, yes = false, watch = false;
};

ResolveFormat format_of(const std::string& name) {
  if (name == "json") return ResolveFormat::json;
  return name == "env" ? ResolveFormat::env : ResolveFormat::text;
}

Result<std::string> reference_text(const Wish& wish, const Environment& environment) {
  if (!wish.reference.empty()) return wish.reference;
  const auto text = environment.plain("DATABASE_URL");
  if (!secrets::looks_like_reference(text)) {
    return Error{ErrorCode::bad_config,
                 Hop::none,
                 "resolve",
                 text.empty() ? "no reference: none was given, and DATABASE_URL is not set"
                              : "no reference: DATABASE_URL holds none (not shown: it may hold a password)",
                 "Write sallyport resolve vault:database/creds/app-role",
                 {}};
  }
  const auto allowed =
      check_environment_reference("DATABASE_URL", text, "Give it as REF: sallyport resolve '…'");
  if (!allowed) return allowed.error();
  return text;
}

/// What nobody was given ends now; our own token with it. What was shown lives on, and the token that it hangs on.
bool end_again(const Context& context, Errand& errand, secrets::SourceSession& session,
               const Credential& credential) {
  bool ended = false;
  if (credential.lease) {
    if (auto revoke = session.revoke(*credential.lease)) {
      const auto end = errand.run(std::move(revoke)).end;
      ended = end.has_value();
      if (!ended)
        context.logger.write(LogLevel::warning, "the lease that nobody was given could not be ended",
                             {{"lease", credential.lease->id}, {"why", describe(end.error())}});
    }
  }
  if (auto close = session.close()) {
    ended = errand.run(std::move(close)).end.has_value() || ended;
  }
  return ended;
}

/// Asking is not free of effect where a secret id is wrapped: it opens once, and whoever comes next would see a thief.
Result<void> check_repeatable(const secrets::Reference& reference, bool yes) {
  if (yes || secrets::attribute_of(reference, "secret_id_wrapped") != "true") return {};
  return Error{
      ErrorCode::denied,
      Hop::none,
      secrets::to_string(reference),
      "its wrapped secret id can be opened once, and this would be that time: exec or serve would then "
      "find it opened and raise an alarm",
      "Add --yes where nobody else is to have it",
      {}};
}

/// What was fetched, printed. `ended`: so was its lease.
Result<void> print(const Context& context, const Wish& wish, const Opened& opened,
                   const secrets::Fetched& fetched, bool ended, SecretOutput& output) {
  const auto& target = opened.target.target;
  const Resolved resolved{secrets::to_string(opened.reference),
                          &fetched,
                          opened.purpose,
                          target.databases.empty() ? "" : target.databases.front(),
                          target.tls,
                          target.roles.begin()->second.login_methods,
                          context.clock.now(),
                          wish.reveal,
                          ended};
  auto printed = print_resolved(resolved, format_of(context.format));
  if (!printed) return std::move(printed).error();
  const std::string_view seen{reinterpret_cast<const char*>(printed->data()), printed->size()};
  if (wish.reveal && output.is_terminal() && !trail::is_printable(seen)) {
    return Error{ErrorCode::denied,
                 Hop::none,
                 "--reveal",
                 "the secret holds control characters, which could draw anything on this terminal",
                 context.format == "json" ? "Add -o FILE" : "Add -o FILE or --format json",
                 {}};
  }
  return output.write(*printed);
}

/// A lease lives on only where its secret was shown to the end.
Result<void> fetch_and_print(Context& context, const Wish& wish, Errand& errand, const Opened& opened,
                             SecretOutput& output) {
  auto outcome = errand.run(opened.session->fetch());
  record_source_events(context, "resolve", opened.session->take_events());
  if (!outcome.end) {
    end_again(context, errand, *opened.session,
              {});  // the login may have gone well, and what came behind it not
    return outcome.end;
  }
  const auto fetched = static_cast<secrets::FetchConversation&>(*outcome.conversation).take();
  outcome.conversation.reset();
  const bool ended = !wish.reveal && end_again(context, errand, *opened.session, fetched.credential);
  if (!context.quiet) {
    for (const auto& warning : opened.session->warnings()) {
      context.logger.write(LogLevel::warning, warning, {});
    }
  }
  auto printed = print(context, wish, opened, fetched, ended, output);
  if (!printed && wish.reveal) end_again(context, errand, *opened.session, fetched.credential);
  return printed;
}

Result<void> resolve(Context& context, const Wish& wish, const std::string& text) {
  auto errand = Errand::prepare(context, true);
  if (!errand) return std::move(errand).error();
  std::signal(SIGPIPE,
              SIG_IGN);  // behind the helper, whose programs want it; a reader that has gone is an error
  auto opened = open_for_resolve(context, text);
  if (!opened) return std::move(opened).error();
  const auto shown = secrets::to_string(opened->reference);
  if (auto checked = check_repeatable(opened->reference, wish.yes); !checked) return checked;
  if (wish.watch) return watch_reference(context, **errand, std::move(opened->session), shown);
  // Before anything is fetched: what may not be shown, or cannot be written, is not asked for.
  auto output = SecretOutput::open(context.output_file);
  if (!output) return std::move(output).error();
  if (wish.reveal) {
    if (auto allowed = allow_reveal(context, shown, wish.yes); !allowed) return allowed;
  }
  auto done = fetch_and_print(context, wish, **errand, *opened, *output);
  if (!done && wish.reveal) record_not_shown(context, shown, done.error());
  return done;
}

int exit_code_of(const Error& error) {
  return error.code == ErrorCode::retry_later || error.code == ErrorCode::timed_out ? exit_unreachable
                                                                                    : exit_error;
}

}  // namespace

int run_resolve(Context& context, const std::vector<std::string>& arguments) {
  Wish wish;
  CLI::App app{description, "sallyport resolve"};
  app.footer(examples);
  app.add_option("REF", wish.reference,
                 "A reference, or TARGET or TARGET/ROLE of -c FILE; without it DATABASE_URL's");
  app.add_flag("--reveal", wish.reveal, "Show the secret, too");
  app.add_flag("--yes", wish.yes, "Do not ask whether it may be shown, or a wrapped secret id be used up");
  app.add_flag("--watch", wish.watch, "Stay, and print a line when it changes");
  add_source_options(app, context);
  add_global_options(app, context, Writes::result, {"env"});
  if (const auto code = parse_arguments(app, arguments, exit_error)) return *code;
  Result<void> done = Error{};
  if (wish.watch && wish.reveal) {
    done =
        Error{ErrorCode::bad_config, Hop::none, "--watch", "never shows a secret", "Leave --reveal out", {}};
  } else if (context.format == "env" && !wish.reveal) {
    done = Error{ErrorCode::bad_config,
                 Hop::none,
                 "--format env",
                 "is for the secret itself",
                 "Add --reveal --yes, or use --format json",
                 {}};
  } else if (auto text = reference_text(wish, *context.environment); !text) {
    done = std::move(text).error();
  } else {
    done = resolve(context, wish, *text);
  }
  if (done) return exit_ok;
  print_error(done.error());
  return exit_code_of(done.error());
}

}  // namespace sallyport::cli
