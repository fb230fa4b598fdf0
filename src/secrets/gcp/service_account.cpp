// A service account's key: a token signed by ourselves, given for an access token (RFC 7523), or used as one where
// Google's own token endpoint does not serve the universe.
#include "crypto/base64_pem.h"
#include "crypto/rsa.h"
#include "secrets/form_writer.h"
#include "secrets/gcp/token.h"
#include "secrets/json_writer.h"

#include <chrono>

namespace sallyport::secrets::gcp {

namespace {

constexpr std::int64_t life_s = 3600;

/// A clock that is further off than that makes the endpoint refuse; then its own clock is used.
constexpr Duration skew_matters = std::chrono::seconds{60};

struct Claims {
  std::string_view scope;
  std::string_view audience;  ///< empty: of a token that is used as it is
  WallTime now;
};

std::int64_t seconds_of(WallTime time) {
  return std::chrono::duration_cast<std::chrono::seconds>(time.time_since_epoch()).count();
}

std::string encoded(Secret text) { return crypto::base64url_encode(as_bytes(text.reveal())); }

/// header.claims.signature: whoever has it is us for an hour.
Result<Secret> sign(const Origin& origin, const Claims& claims) {
  const auto email = origin.file["client_email"].text();
  JsonWriter header;
  header.text("alg", "RS256");
  header.text("typ", "JWT");
  const auto id = origin.file["private_key_id"].text();
  if (!id.empty()) header.text("kid", id);
  JsonWriter body;
  body.text("iss", email);
  if (claims.audience.empty()) {
    body.text("sub", email);
  } else {
    body.text("aud", claims.audience);
  }
  body.text("scope", claims.scope);
  body.number("iat", seconds_of(claims.now));
  body.number("exp", seconds_of(claims.now) + life_s);
  const auto unsigned_part = encoded(header.finish()) + "." + encoded(body.finish());
  const auto key = Secret::copy_of(origin.file["private_key"].text());
  const auto signature = crypto::sign_rs256(key, as_bytes(unsigned_part));
  if (!signature) {
    return fault(origin.context, ErrorCode::bad_config,
                 "private_key of " + origin.path + " " + signature.error().what,
                 "Make a new key: gcloud iam service-accounts keys create FILE --iam-account E-MAIL");
  }
  auto text = crypto::base64url_encode(*signature);
  auto out = joined({unsigned_part, ".", text});
  wipe_memory(text.data(), text.size());
  return out;
}

Error refused(const Origin& origin, const WebReply& reply) {
  const auto email = origin.file["client_email"].text();
  std::string who = "service account key " + origin.path;
  const auto code = status_code_of(reply);
  auto error = token_of(origin.context, reply, who);
  if (error) return fault(origin.context, ErrorCode::internal, "a refusal that is none");
  auto out = std::move(error).error();
  if (code == "invalid_grant") {
    out.hint =
        "The key may be deleted or of another project, the account disabled, or a clock wrong: gcloud iam "
        "service-accounts keys list --iam-account " +
        shown_code(email);
    if (out.hint.ends_with(' ')) out.hint += "E-MAIL";
  } else if (code == "invalid_scope") {
    out.hint = "Look at client_email of " + origin.path;
  }
  return out;
}

}  // namespace

Result<AccessToken> service_account_token(Inquiry& ask, const Origin& origin, std::string_view scope) {
  for (const auto* member : {"client_email", "private_key", "token_uri"}) {
    if (origin.file[member].text().empty()) {
      return fault(origin.context, ErrorCode::bad_config,
                   "the service account key " + origin.path + " has no " + member,
                   "Make it with gcloud iam service-accounts keys create");
    }
  }
  auto universe = universe_of(origin.context, origin.file, origin.path);
  if (!universe) return std::move(universe).error();
  if (*universe != default_universe) {
    auto token = sign(origin, {scope, {}, ask.now().wall});
    if (!token) return std::move(token).error();
    return AccessToken{std::move(*token), ask.now().wall + std::chrono::seconds{life_s}};
  }
  const auto audience = origin.file["token_uri"].text();
  Duration skew{};
  FormPost post{audience, "token_uri of " + origin.path, nullptr};
  post.body = [&](Moment now) -> Result<Secret> {
    auto assertion = sign(origin, {scope, audience, later(now.wall, skew)});
    if (!assertion) return assertion;
    FormWriter form;
    form.field("grant_type", "urn:ietf:params:oauth:grant-type:jwt-bearer");
    form.field("assertion", assertion->reveal());
    return form.finish();
  };
  auto reply = post_form(ask, origin.context, post);
  if (!reply) return std::move(reply).error();
  const auto server = skew_of(*reply);
  const bool clock = server && (*server > skew_matters || *server < -skew_matters);
  if (reply->status == 400 && clock && status_code_of(*reply) == "invalid_grant") {
    skew = *server;
    reply = post_form(ask, origin.context, post);
    if (!reply) return std::move(reply).error();
  }
  if (!reply->success()) return refused(origin, *reply);
  return token_of(origin.context, *reply, "service account key " + origin.path);
}

}  // namespace sallyport::secrets::gcp
