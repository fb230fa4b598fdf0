// One identity as another: the IAM credentials service gives a token of a service account to whoever may impersonate it,
// by way of delegates or directly.
#include "secrets/gcp/token.h"
#include "secrets/json_writer.h"
#include "secrets/time_text.h"

#include <array>

namespace sallyport::secrets::gcp {

namespace {

constexpr std::size_t delegates_max = 16;

/// A key's token is narrowed to what impersonation needs; a person's has the scopes that they logged in with.
constexpr std::string_view iam_scope = "https://www.googleapis.com/auth/iam";

Result<std::string> lifetime_of(const Origin& origin) {
  const auto said = origin.file["service_account_impersonation"]["token_lifetime_seconds"];
  if (!said.present()) return std::string{"3600s"};
  const auto seconds = said.integer();
  if (!seconds || *seconds < 1 || *seconds > 43'200) {
    return fault(origin.context, ErrorCode::bad_config,
                 "token_lifetime_seconds of " + origin.path + " is not between 600 and 43200");
  }
  return std::to_string(*seconds) + "s";
}

Result<Secret> body_of(const Origin& origin, std::string_view scope) {
  auto lifetime = lifetime_of(origin);
  if (!lifetime) return std::move(lifetime).error();
  std::vector<std::string_view> delegates;
  for (const auto one : origin.file["delegates"].elements()) delegates.push_back(one.text());
  if (delegates.size() > delegates_max) {
    return fault(origin.context, ErrorCode::bad_config, origin.path + " has more than 16 delegates");
  }
  JsonWriter body;
  body.list("delegates", delegates);
  body.list("scope", {scope});
  body.text("lifetime", *lifetime);
  return body.finish();
}

Error refused(const Origin& origin, const WebReply& reply, std::string_view url) {
  const auto target = email_of_impersonation(url);
  auto error = fault(origin.context, code_of_status(reply.status),
                     "impersonation of " + (target.empty() ? "the service account" : target) + ": " +
                         status_text(reply) + clock_note(reply));
  if (reply.status == 403) {
    error.hint = reason_of(reply) == "SERVICE_DISABLED"
                     ? "Run gcloud services enable iamcredentials.googleapis.com"
                     : "Grant roles/iam.serviceAccountTokenCreator on it to the identity of " + origin.path +
                           ", and along the delegates";
  } else if (reply.status == 404) {
    error.hint = "Correct service_account_impersonation_url of " + origin.path;
  }
  return error;
}

}  // namespace

Result<AccessToken> impersonate(Inquiry& ask, const Origin& origin, std::string_view url,
                                const Secret& source_token, std::string_view scope) {
  auto request =
      request_to(ask, origin.context, "POST", url, "service_account_impersonation_url of " + origin.path);
  if (!request) return std::move(request).error();
  auto body = body_of(origin, scope);
  if (!body) return std::move(body).error();
  request->headers.push_back(web_header("Content-Type", "application/json"));
  request->headers.push_back(bearer(source_token));
  request->body = std::move(*body);
  auto reply = ask_web(
      ask, [&](Moment) { return copy_of(*request); }, retry_rule(), origin.context.where);
  if (!reply) return std::move(reply).error();
  if (!reply->success()) return refused(origin, *reply, url);
  const std::string who = "impersonation by " + origin.path;
  auto expires = parse_iso_time(reply->root()["expireTime"].text());
  if (!expires)
    return fault(origin.context, ErrorCode::invalid_message, who + ": expireTime in the reply is no time");
  // The time is of the server's clock; ours may be another.
  if (const auto skew = skew_of(*reply)) expires = later(*expires, -*skew);
  return checked_token(origin.context, reply->root()["accessToken"].text(), *expires, reply->received, who);
}

Result<AccessToken> impersonated_token(Inquiry& ask, const Origin& origin, std::string_view scope) {
  const auto url = origin.file["service_account_impersonation_url"].text();
  const auto source = origin.file["source_credentials"];
  if (url.empty() || !source.is_object()) {
    return fault(origin.context, ErrorCode::bad_config,
                 "the credentials file " + origin.path + " has no " +
                     (url.empty() ? "service_account_impersonation_url" : "source_credentials"),
                 "Run gcloud auth application-default login --impersonate-service-account=E-MAIL");
  }
  const bool narrowed =
      kind_of(source) == AccountKind::service_account || kind_of(source) == AccountKind::external_account;
  auto token = token_from_file(ask, {origin.context, source, origin.path, origin.depth + 1},
                               narrowed ? iam_scope : cloud_platform_scope);
  if (!token) return token;
  return impersonate(ask, origin, url, token->value, scope);
}

}  // namespace sallyport::secrets::gcp
