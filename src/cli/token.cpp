// `sallyport token`: one token of a cloud identity on standard output, for tools that take a password from a program
// (PGPASSWORD, libpq scripts): what the vendors' command lines do, without their start-up.
#include "cli/command.h"
#include "cli/command_record.h"
#include "cli/errand.h"
#include "cli/exec_run.h"
#include "cli/secret_output.h"
#include "cli/token_options.h"
#include "secrets/json_writer.h"
#include "secrets/source.h"

#include <csignal>

namespace sallyport::cli {

namespace {

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
std::string in_words(const TokenWish& wish, const secrets::Purpose& purpose,
                     const std::string& from_identity) {
  auto out = "token " + wish.command;
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

Result<void> print_token(Context& context, const TokenWish& wish) {
  const auto reference = reference_of(wish);
  if (!reference) return reference.error();
  const auto purpose = purpose_of(wish);
  if (!purpose) return purpose.error();
  const auto sources = secrets::register_all();
  const auto* source = sources.find(wish.scheme);
  if (source == nullptr) {
    return Error{ErrorCode::bad_config, Hop::none, "token", wish.scheme + " is not in this version", {}, {}};
  }
  auto errand = Errand::prepare(context, true);
  if (!errand) return std::move(errand).error();
  std::signal(SIGPIPE, SIG_IGN);  // behind the helper, whose programs want it; no reader is an error
  auto session = source->open(*reference, *purpose);
  if (!session) return in_options(std::move(session).error(), wish);
  auto output = SecretOutput::open(context.output_file);
  if (!output) return std::move(output).error();
  auto outcome = (*errand)->run((*session)->fetch());
  if (!outcome.end) return in_options(std::move(outcome.end).error(), wish);
  const auto fetched = static_cast<secrets::FetchConversation&>(*outcome.conversation).take();
  // Whoever has it logs in with it: what cannot stand in the trail is not printed.
  const auto what = in_words(wish, *purpose, fetched.credential.user);
  if (auto written = record_command(context, what); !written) return written;
  auto done = output->write(printed(context, fetched.credential));
  if (!done) (void)record_command(context, what + ": not printed, or not all of it", "failed");
  return done;
}

}  // namespace

int run_token(Context& context, const std::vector<std::string>& arguments) {
  TokenWish wish;
  if (const auto code = read_token_options(context, arguments, wish)) return *code;
  const auto done = print_token(context, wish);
  if (done) return exit_ok;
  print_error(done.error());
  const bool away = done.error().code == ErrorCode::retry_later || done.error().code == ErrorCode::timed_out;
  return away ? exit_unreachable : exit_error;
}

}  // namespace sallyport::cli
