// Keys that stand in a profile file. Settings are read from files that anybody may read; when keys are, the file is read
// once more as a secret: then its mode counts.
#include "secrets/aws/provider.h"

namespace sallyport::secrets::aws {

Offer static_keys(Inquiry& ask, const Settings& settings, Search& search, const std::string& profile,
                  Profiles::In in) {
  const bool in_config = in == Profiles::In::config;
  const auto provider = "profile " + profile + (in_config ? " (config file)" : " (credentials file)");
  const auto& files = *settings.profiles;
  if (!files.has(profile, "aws_access_key_id", in)) {
    return nothing(search, provider,
                   files.has(profile, in) ? "has no aws_access_key_id" : "the file has no such profile");
  }
  const auto path = in_config ? files.config().path() : files.credentials().path();
  auto content = ask.file({path, profile_file_bytes_max, FileTrust::is_private});
  if (!content) {
    auto error = std::move(content).error();
    error.what = path + " " + error.what;
    return failed(settings, provider, std::move(error));
  }
  auto parsed = IniFile::parse(**content, path);
  if (!parsed) {
    auto error = std::move(parsed).error();
    error.what = error.where + ": " + error.what;
    return failed(settings, provider, std::move(error));
  }
  const auto again = in_config ? Profiles{std::move(*parsed), {}} : Profiles{{}, std::move(*parsed)};
  if (!again.has(profile, "aws_access_key_id", in) || !again.has(profile, "aws_secret_access_key", in)) {
    return failed(settings, provider, ErrorCode::bad_config,
                  "aws_access_key_id and aws_secret_access_key are not both in " + path,
                  "`aws configure --profile " + profile + "` writes both");
  }
  auto token = again.value(profile, "aws_security_token", in);
  if (token.empty()) token = again.value(profile, "aws_session_token", in);
  Keys keys{std::string{again.value(profile, "aws_access_key_id", in)},
            Secret::copy_of(again.value(profile, "aws_secret_access_key", in)),
            Secret::copy_of(token),
            {},
            {}};
  search.local = true;
  auto checked = checked_keys(std::move(keys), ask.now(), settings, provider);
  if (!checked) return std::move(checked).error();
  return std::optional{std::move(*checked)};
}

Offer login_keys(const Settings& settings, Search& search, const std::string& profile) {
  const auto provider = "profile " + profile + " (login)";
  if (!settings.profiles->has(profile, "login_session"))
    return nothing(search, provider, "has no login_session");
  return failed(settings, provider, ErrorCode::bad_config,
                "it signs in with `aws login`, which is not supported here",
                "Let the AWS CLI do it: in another profile, credential_process = /path/to/aws configure "
                "export-credentials --profile " +
                    profile + " --format process");
}

}  // namespace sallyport::secrets::aws
