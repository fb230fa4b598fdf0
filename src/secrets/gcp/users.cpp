// People: what `gcloud auth application-default login` writes (a refresh token of Google's, or of a workforce pool's).
#include "secrets/form_writer.h"
#include "secrets/gcp/token.h"

namespace sallyport::secrets::gcp {

namespace {

constexpr std::string_view google_token_endpoint = "https://oauth2.googleapis.com/token";
constexpr const char* login_again = "Run gcloud auth application-default login";

Result<void> has(const Origin& origin, std::initializer_list<const char*> members) {
  for (const auto* member : members) {
    if (origin.file[member].text().empty()) {
      return fault(origin.context, ErrorCode::bad_config,
                   "the credentials file " + origin.path + " has no " + member, login_again);
    }
  }
  return {};
}

Result<AccessToken> token_or_login(const Origin& origin, const WebReply& reply) {
  auto token = token_of(origin.context, reply, "user credentials " + origin.path);
  if (token) return token;
  auto error = std::move(token).error();
  const auto code = status_code_of(reply);
  if (code == "invalid_grant" || code == "invalid_client" || code == "unauthorized_client") {
    error.hint = login_again;
    if (shown_code(reply.root()["error_subtype"].text()) == "invalid_rapt")
      error.what += ": the organisation wants a new login";
  }
  if (code == "invalid_scope") {
    error.hint = login_again;
    error.hint.append(
        " --scopes=openid,https://www.googleapis.com/auth/userinfo.email,"
        "https://www.googleapis.com/auth/cloud-platform,https://www.googleapis.com/auth/sqlservice.login");
  }
  return error;
}

}  // namespace

Result<AccessToken> authorized_user_token(Inquiry& ask, const Origin& origin, std::string_view scope) {
  if (auto whole = has(origin, {"client_id", "client_secret", "refresh_token"}); !whole)
    return std::move(whole).error();
  auto url = origin.file["token_uri"].text();
  FormPost post{url.empty() ? google_token_endpoint : url, "token_uri of " + origin.path, nullptr};
  post.body = [&](Moment) -> Result<Secret> {
    FormWriter form;
    form.field("grant_type", "refresh_token");
    form.field("client_id", origin.file["client_id"].text());
    form.field("client_secret", origin.file["client_secret"].text());
    form.field("refresh_token", origin.file["refresh_token"].text());
    form.field("scope", scope);
    return form.finish();
  };
  auto reply = post_form(ask, origin.context, post);
  if (!reply) return std::move(reply).error();
  return token_or_login(origin, *reply);
}

Result<AccessToken> external_user_token(Inquiry& ask, const Origin& origin) {
  if (auto whole = has(origin, {"token_url", "client_id", "client_secret", "refresh_token"}); !whole)
    return std::move(whole).error();
  FormPost post{origin.file["token_url"].text(), "token_url of " + origin.path, nullptr};
  post.client_id = origin.file["client_id"].text();
  post.client_secret = origin.file["client_secret"].text();
  post.body = [&](Moment) -> Result<Secret> {
    FormWriter form;
    form.field("grant_type", "refresh_token");
    form.field("refresh_token", origin.file["refresh_token"].text());
    return form.finish();
  };
  auto reply = post_form(ask, origin.context, post);
  if (!reply) return std::move(reply).error();
  return token_or_login(origin, *reply);
}

}  // namespace sallyport::secrets::gcp
