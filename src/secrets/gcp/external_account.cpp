// Workload and workforce identity federation: a subject token of another identity provider is given to Google's STS for a
// token of Google's (RFC 8693), which may then stand for a service account.
#include "secrets/form_writer.h"
#include "secrets/gcp/subject.h"

namespace sallyport::secrets::gcp {

namespace {

bool is_workforce(std::string_view audience) {
  return audience.starts_with("//iam.googleapis.com/locations/") &&
         audience.find("/workforcePools/") != std::string_view::npos;
}

Secret exchange_body(const Origin& origin, const Subject& subject, std::string_view scope) {
  FormWriter form;
  form.field("grant_type", "urn:ietf:params:oauth:grant-type:token-exchange");
  form.field("audience", origin.file["audience"].text());
  form.field("scope", scope);
  form.field("requested_token_type", "urn:ietf:params:oauth:token-type:access_token");
  form.field("subject_token", subject.token.reveal());
  form.field("subject_token_type", origin.file["subject_token_type"].text());
  const auto project = shown_code(origin.file["workforce_pool_user_project"].text());
  if (!project.empty() && origin.file["client_id"].text().empty())
    form.field("options",
               "%7B%22userProject%22%3A%20%22" + project + "%22%7D");  // encoded twice, as Google wants it
  return form.finish();
}

Error refused(const Origin& origin, const WebReply& reply) {
  auto token = token_of(origin.context, reply, "token exchange for " + origin.path);
  if (token) return fault(origin.context, ErrorCode::internal, "a refusal that is none");
  auto error = std::move(token).error();
  const auto code = status_code_of(reply);
  if (code == "invalid_grant")
    error.hint =
        "The subject token is of another issuer, has expired, or the pool's attribute condition refuses it";
  if (code == "invalid_target") error.hint = "Correct the audience in " + origin.path;
  return error;
}

}  // namespace

Result<AccessToken> external_account_token(Inquiry& ask, const Origin& origin, std::string_view scope) {
  for (const auto* member : {"audience", "subject_token_type", "token_url"}) {
    if (origin.file[member].text().empty()) {
      return fault(origin.context, ErrorCode::bad_config,
                   "the credentials file " + origin.path + " has no " + member,
                   "Write it with gcloud iam workload-identity-pools create-cred-config");
    }
  }
  if (origin.file["workforce_pool_user_project"].present() && !is_workforce(origin.file["audience"].text())) {
    return fault(origin.context, ErrorCode::bad_config,
                 "workforce_pool_user_project of " + origin.path + " is for workforce pools only",
                 "Remove it");
  }
  auto subject = subject_of(ask, origin);
  if (!subject) return std::move(subject).error();
  const auto impersonation = origin.file["service_account_impersonation_url"].text();
  const auto wanted = impersonation.empty() ? scope : std::string_view{"https://www.googleapis.com/auth/iam"};
  FormPost post{origin.file["token_url"].text(), "token_url of " + origin.path, nullptr};
  post.client_id = origin.file["client_id"].text();
  post.client_secret = origin.file["client_secret"].text();
  post.client_certificate = subject->client_certificate;
  post.client_key = subject->client_key.clone();
  post.body = [&](Moment) -> Result<Secret> { return exchange_body(origin, *subject, wanted); };
  auto reply = post_form(ask, origin.context, post);
  if (!reply) return std::move(reply).error();
  if (!reply->success()) return refused(origin, *reply);
  auto token = token_of(origin.context, *reply, "token exchange for " + origin.path);
  if (!token || impersonation.empty()) return token;
  return impersonate(ask, origin, impersonation, token->value, scope);
}

}  // namespace sallyport::secrets::gcp
