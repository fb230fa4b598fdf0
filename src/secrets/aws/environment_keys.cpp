// Keys in variables. Half of a pair is an error and not a reason to go on: whoever set it meant it.
#include "secrets/aws/provider.h"
#include "secrets/time_text.h"

namespace sallyport::secrets::aws {

Offer environment_keys(Inquiry& ask, const Settings& settings, Search& search) {
  const std::string provider = "environment";
  const auto* id = ask.variable("AWS_ACCESS_KEY_ID");
  if (id == nullptr) return nothing(search, provider, "AWS_ACCESS_KEY_ID is not set");
  const auto* secret = ask.variable("AWS_SECRET_ACCESS_KEY");
  if (secret == nullptr) {
    return failed(settings, provider, ErrorCode::bad_config,
                  "AWS_ACCESS_KEY_ID is set, and AWS_SECRET_ACCESS_KEY is not", "Set both, or neither");
  }
  const auto* token = ask.variable("AWS_SECURITY_TOKEN");
  if (token == nullptr) token = ask.variable("AWS_SESSION_TOKEN");
  auto expiration = ask.text("AWS_CREDENTIAL_EXPIRATION");
  if (!expiration) return failed(settings, provider, std::move(expiration).error());
  Keys keys{std::string{id->reveal()}, secret->clone(), token == nullptr ? Secret{} : token->clone(), {}, {}};
  if (!expiration->empty()) {
    keys.expires = parse_iso_time(*expiration);
    if (!keys.expires) {
      return failed(settings, provider, ErrorCode::bad_config,
                    "AWS_CREDENTIAL_EXPIRATION is no time such as 2026-01-02T03:04:05Z",
                    "Correct or unset it");
    }
  }
  search.local = true;
  auto checked = checked_keys(std::move(keys), ask.now(), settings, provider);
  if (!checked) return std::move(checked).error();
  return std::optional{std::move(*checked)};
}

}  // namespace sallyport::secrets::aws
