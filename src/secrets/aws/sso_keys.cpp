// IAM Identity Center: the token that `aws sso login` left in ~/.aws/sso/cache, exchanged for a role's keys.
//
// The token is read and never renewed: renewing hands out a new refresh token, which would have to be written back into
// a file of the AWS CLI's.
#include "crypto/hash.h"
#include "secrets/aws/provider.h"
#include "secrets/aws/sigv4.h"
#include "secrets/time_text.h"
#include "secrets/web.h"

#include <algorithm>

namespace sallyport::secrets::aws {

namespace {

constexpr auto request_deadline = std::chrono::seconds{10};
constexpr auto milliseconds_max =
    std::chrono::floor<std::chrono::milliseconds>(WallTime::max()).time_since_epoch().count();

struct SsoRole {
  std::string name;
  std::string account;
  std::string region;
  std::string start_url;
  std::string session;  ///< empty: the profile names the start URL itself
};

class SsoLogin {
 public:
  SsoLogin(Inquiry& ask, const Settings& settings, const std::string& profile, const std::string& provider)
      : ask_(ask), settings_(settings), profile_(profile), provider_(provider) {}

  Result<Keys> keys(Search& search) {
    auto role = role_of_profile();
    if (!role) return std::move(role).error();
    auto token = cached_token(*role);
    if (!token) return std::move(token).error();
    auto endpoint = settings_.endpoint(Service::sso, role->region);
    if (!endpoint) return failed(settings_, provider_, std::move(endpoint).error());
    const auto make = [&](Moment) {
      HttpRequest request{"GET", endpoint->url + "/federation/credentials?role_name=" +
                                     uri_encode(role->name) + "&account_id=" + uri_encode(role->account)};
      request.headers.push_back({"x-amz-sso_bearer_token", token->clone()});
      request.ca_file = settings_.ca_bundle;
      request.plain_http_allowed = endpoint->plain_http;
      request.deadline = request_deadline;
      return request;
    };
    auto reply = ask_web(ask_, make, RetryRule{}, settings_.where);
    if (!reply) return failed(settings_, provider_, std::move(reply).error());
    if (!reply->success()) return refused(*reply, *role);
    search.skew = told_skew(*reply, search.skew);
    return keys_in(*reply);
  }

 private:
  [[nodiscard]] Error wrong(ErrorCode code, std::string what, std::string hint = {}) const {
    return failed(settings_, provider_, code, std::move(what), std::move(hint));
  }

  [[nodiscard]] std::string login_command() const { return "`aws sso login --profile " + profile_ + "`"; }

  Result<SsoRole> role_of_profile() const {
    const auto& files = *settings_.profiles;
    auto session = files.text(profile_, "sso_session");
    if (!session) return failed(settings_, provider_, std::move(session).error());
    SsoRole role;
    role.session = std::move(*session);
    if (!role.session.empty() && !files.has_sso_session(role.session)) {
      return wrong(ErrorCode::bad_config,
                   "there is no [sso-session " + role.session + "], which the profile names",
                   "`aws configure sso` writes one");
    }
    std::string missing;
    for (const auto& [key, field] :
         {std::pair{"sso_role_name", &SsoRole::name}, std::pair{"sso_account_id", &SsoRole::account},
          std::pair{"sso_start_url", &SsoRole::start_url}, std::pair{"sso_region", &SsoRole::region}}) {
      auto own = files.text(profile_, key);
      if (!own) return failed(settings_, provider_, std::move(own).error());
      const std::string shared{role.session.empty() ? "" : files.sso_session(role.session, key)};
      if (!own->empty() && !shared.empty() && *own != shared) {
        return wrong(
            ErrorCode::bad_config,
            std::string{key} + " of the profile is another than that of [sso-session " + role.session + "]",
            "Leave it to the session");
      }
      role.*field = shared.empty() ? *own : shared;
      if ((role.*field).empty()) missing += (missing.empty() ? "" : ", ") + std::string{key};
    }
    if (!missing.empty())
      return wrong(ErrorCode::bad_config, "it signs in with SSO and lacks " + missing,
                   "`aws configure sso` asks for all");
    if (auto checked = check_region(role.region, "sso_region"); !checked)
      return failed(settings_, provider_, std::move(checked).error());
    return role;
  }

  Result<Secret> cached_token(const SsoRole& role) {
    const auto& name = role.session.empty() ? role.start_url : role.session;
    const auto path = settings_.home + "/.aws/sso/cache/" + crypto::sha1_hex(as_bytes(name)) + ".json";
    auto content = ask_.file({path});
    if (!content) {
      auto error = std::move(content).error();
      if (error.code == ErrorCode::not_found)
        return wrong(ErrorCode::denied, "nobody has signed in: " + path + " is not there",
                     "Run " + login_command());
      error.what = path + " " + error.what;
      return failed(settings_, provider_, std::move(error));
    }
    auto json = Json::parse((*content)->reveal(), path);
    // Written in place by the AWS CLI: what is half a file now is whole in a moment.
    if (!json)
      return wrong(ErrorCode::retry_later, path + " is no JSON", "If it stays so, run " + login_command());
    const auto token = json->root()["accessToken"].text();
    const auto expires = parse_iso_time(json->root()["expiresAt"].text());
    if (token.empty() || !expires) {
      return wrong(ErrorCode::denied, path + " holds no accessToken and expiresAt", "Run " + login_command());
    }
    if (*expires <= ask_.now().wall) {
      return wrong(ErrorCode::denied, "the sign-in expired at " + format_utc(*expires),
                   "Run " + login_command());
    }
    return Secret::copy_of(token);
  }

  [[nodiscard]] Error refused(const WebReply& reply, const SsoRole& role) const {
    const auto status = "status " + std::to_string(reply.status);
    if (reply.status == 401)
      return wrong(ErrorCode::denied, "the sign-in is not accepted (any more), " + status,
                   "Run " + login_command());
    if (reply.status == 403 || reply.status == 404) {
      return wrong(
          ErrorCode::denied,
          "the role " + role.name + " of account " + role.account + " is not ours to take, " + status,
          "Correct sso_role_name and sso_account_id, or have it assigned");
    }
    const bool later = reply.status == 429 || reply.status >= 500;
    return wrong(later ? ErrorCode::retry_later : ErrorCode::bad_config, "GetRoleCredentials: " + status);
  }

  Result<Keys> keys_in(const WebReply& reply) const {
    const auto object = reply.root()["roleCredentials"];
    KeyNames names{"accessKeyId", "secretAccessKey", "sessionToken", "", false};
    auto keys = keys_of(object, names, reply.received, settings_, provider_);
    if (!keys) return std::move(keys).error();
    const auto milliseconds = object["expiration"].integer();
    if (!milliseconds || *milliseconds <= 0)
      return wrong(ErrorCode::invalid_message, "the answer's expiration is no time in milliseconds");
    keys->expires =
        WallTime{std::chrono::milliseconds{std::min<std::int64_t>(*milliseconds, milliseconds_max)}};
    return checked_keys(std::move(*keys), reply.received, settings_, provider_);
  }

  Inquiry& ask_;
  const Settings& settings_;
  const std::string& profile_;
  const std::string& provider_;
};

}  // namespace

Offer sso_keys(Inquiry& ask, const Settings& settings, Search& search, const std::string& profile) {
  const auto provider = "profile " + profile + " (SSO)";
  const auto& files = *settings.profiles;
  if (!files.has(profile, "sso_role_name") && !files.has(profile, "sso_account_id"))
    return nothing(search, provider, "has no sso_role_name");
  auto keys = SsoLogin{ask, settings, profile, provider}.keys(search);
  if (!keys) return std::move(keys).error();
  return std::optional{std::move(*keys)};
}

}  // namespace sallyport::secrets::aws
