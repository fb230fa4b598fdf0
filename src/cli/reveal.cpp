#include "cli/reveal.h"

#include "cli/command_record.h"
#include "cli/confirm.h"

#include <unistd.h>

namespace sallyport::cli {

namespace {

Result<void> ask(const Context& context, const std::string& reference) {
  const auto denied = [](std::string what, std::string hint) {
    return Error{ErrorCode::denied, Hop::none, "--reveal", std::move(what), std::move(hint), {}};
  };
  if (isatty(STDOUT_FILENO) == 0 || !context.output_file.empty()) {
    return denied("the output is no terminal", "Add --yes where the secret is meant to be written there");
  }
  return confirm("Show the secret of " + reference + " on this terminal?", "--reveal", "Add --yes");
}

}  // namespace

Result<void> allow_reveal(Context& context, const std::string& reference, bool yes) {
  if (!yes) {
    if (auto allowed = ask(context, reference); !allowed) return allowed;
  }
  return record_command(context, "resolve --reveal " + reference);
}

void record_not_shown(Context& context, const std::string& reference, const Error& why) {
  const auto what = "resolve --reveal " + reference + ": not shown, or not all of it";
  const auto written = record_command(context, what + " (" + std::string{name_of(why.code)} + ")", "failed");
  if (!written) context.logger.write(LogLevel::warning, describe(written.error()), {});
}

}  // namespace sallyport::cli
