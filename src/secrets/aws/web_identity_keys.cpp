// A role in exchange for a token that lies in a file: EKS service accounts (IRSA), CI systems. The file is read at each
// exchange, because whoever writes it replaces it before the token ends.
#include "base/limits.h"
#include "secrets/aws/sts.h"

namespace sallyport::secrets::aws {

namespace {

std::string_view without_end_blanks(std::string_view text) {
  const auto end = text.find_last_not_of(" \t\r\n");
  return end == std::string_view::npos ? std::string_view{} : text.substr(0, end + 1);
}

}  // namespace

Offer web_identity_keys(Inquiry& ask, const Settings& settings, Search& search, const std::string& profile,
                        bool environment_counts) {
  const auto value_of = [&](const char* variable, const char* key) -> Result<std::string> {
    if (environment_counts) {
      auto value = ask.text(variable);
      if (!value || !value->empty()) return value;
    }
    return settings.profiles->text(profile, key);
  };
  auto provider = "profile " + profile + " (web identity)";
  const bool by_environment = environment_counts && ask.variable("AWS_WEB_IDENTITY_TOKEN_FILE") != nullptr;
  if (by_environment) provider = "environment (web identity)";
  auto path = value_of("AWS_WEB_IDENTITY_TOKEN_FILE", "web_identity_token_file");
  if (!path) return failed(settings, provider, std::move(path).error());
  if (path->empty()) {
    return nothing(search, "web identity",
                   (environment_counts ? "AWS_WEB_IDENTITY_TOKEN_FILE is not set, and " : "") +
                       ("profile " + profile) + " has no web_identity_token_file");
  }
  if (!path->starts_with('/')) {
    return failed(settings, provider, ErrorCode::bad_config, "the token file's path is not absolute",
                  "Write it from / on");
  }
  auto arn = value_of("AWS_ROLE_ARN", "role_arn");
  if (!arn) return failed(settings, provider, std::move(arn).error());
  if (arn->empty()) {
    return failed(settings, provider, ErrorCode::bad_config, "a token file is named, and no role",
                  "Set AWS_ROLE_ARN, or role_arn in the profile");
  }
  auto name = value_of("AWS_ROLE_SESSION_NAME", "role_session_name");
  if (!name) return failed(settings, provider, std::move(name).error());
  // Kubernetes gives projected tokens a mode that lets others read them; the pod is their fence.
  auto content = ask.file({*path, limits::secret_bytes_max, FileTrust::any});
  if (!content) {
    auto error = std::move(content).error();
    error.what = *path + " " + error.what;
    return failed(settings, provider, std::move(error));
  }
  const auto token = Secret::copy_of(without_end_blanks((*content)->reveal()));
  if (token.empty()) {
    // Being replaced in place, perhaps.
    return failed(settings, provider, ErrorCode::retry_later, *path + " is empty",
                  "Check what writes the token there");
  }
  auto keys = assume_role_with_web_identity(ask, settings, search, {*arn, *name, "", ""}, token, provider);
  if (!keys) return std::move(keys).error();
  return std::optional{std::move(*keys)};
}

}  // namespace sallyport::secrets::aws
