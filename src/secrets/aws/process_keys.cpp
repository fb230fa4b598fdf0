// `credential_process`: a program that prints keys as JSON. No shell; the program's whole path, because where to look for
// one is a question that PATH must not answer for whoever holds secrets.
#include "secrets/aws/provider.h"
#include "secrets/aws/shell_words.h"

namespace sallyport::secrets::aws {

namespace {

constexpr std::size_t words_max = 64;

Result<std::vector<std::string>> words_of(const Settings& settings, const std::string& provider,
                                          std::string_view line) {
  auto words = shell_words(line);
  if (!words || words->empty() || words->size() > words_max) {
    return failed(
        settings, provider, ErrorCode::bad_config,
        "credential_process is no command: a quote does not end, or it is empty or longer than 64 words",
        "Correct it in " + settings.profiles->config().path());
  }
  if (!words->front().starts_with('/')) {
    return failed(settings, provider, ErrorCode::bad_config,
                  "credential_process begins with a program without its whole path",
                  "Write the path that `command -v` shows for it; neither PATH nor ~ is looked at");
  }
  for (const auto& word : *words) {
    if (word.find('\0') != std::string::npos)
      return failed(settings, provider, ErrorCode::bad_config, "credential_process holds a zero byte");
  }
  return std::move(*words);
}

}  // namespace

Offer process_keys(Inquiry& ask, const Settings& settings, Search& search, const std::string& profile) {
  const auto provider = "profile " + profile + " (credential_process)";
  const auto line = settings.profiles->value(profile, "credential_process");
  if (!settings.profiles->has(profile, "credential_process"))
    return nothing(search, provider, "has no credential_process");
  auto words = words_of(settings, provider, line);
  if (!words) return std::move(words).error();
  const auto program = words->front();
  auto ended = ask.program({std::move(*words)});
  if (!ended) return failed(settings, provider, std::move(ended).error());
  if ((*ended)->exit_status != 0) {
    // Later: such programs fail when their own session has run out, and work again after somebody signed in.
    return failed(settings, provider, ErrorCode::retry_later,
                  program + " ended with status " + std::to_string((*ended)->exit_status),
                  "Run the command of credential_process by hand to see what it says");
  }
  auto json = Json::parse((*ended)->output.reveal(), "the program's output");
  if (!json) return failed(settings, provider, std::move(json).error());
  const auto version = json->root()["Version"];
  if (version.kind() != JsonView::Kind::number || version.integer() != 1) {
    return failed(settings, provider, ErrorCode::invalid_message,
                  program + " printed no keys of \"Version\": 1",
                  "The format is that of the AWS CLI's \"Sourcing credentials with an external process\"");
  }
  KeyNames names;
  names.session_token = "SessionToken";
  names.all_needed = false;
  auto keys = keys_of(json->root(), names, ask.now(), settings, provider);
  if (!keys) return std::move(keys).error();
  return std::optional{std::move(*keys)};
}

}  // namespace sallyport::secrets::aws
