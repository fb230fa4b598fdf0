#include "secrets/aws/sts.h"

#include "crypto/hash.h"
#include "secrets/aws/sigv4.h"
#include "secrets/aws/xml.h"
#include "secrets/form_writer.h"
#include "secrets/time_text.h"
#include "secrets/web.h"

#include <algorithm>
#include <array>

namespace sallyport::secrets::aws {

namespace {

constexpr auto request_deadline = std::chrono::seconds{10};

/// Clocks that differ by more make signatures invalid: AWS allows 5 minutes.
constexpr Duration skew_min = std::chrono::minutes{4};

/// botocore's codes of throttling and of errors that pass, as STS has them.
constexpr std::array<std::string_view, 12> passing{"Throttling",
                                                   "ThrottlingException",
                                                   "ThrottledException",
                                                   "RequestThrottled",
                                                   "RequestLimitExceeded",
                                                   "SlowDown",
                                                   "RequestThrottledException",
                                                   "TooManyRequestsException",
                                                   "PriorRequestNotComplete",
                                                   "RequestTimeout",
                                                   "RequestTimeoutException",
                                                   "IDPCommunicationError"};

/// STS' own form, and the older ones that botocore reads as well.
std::string code_of(const WebReply& reply) {
  const auto document = reply.http->body.reveal();
  auto code = xml_text(document, {"ErrorResponse", "Error", "Code"});
  if (!code) code = xml_text(document, {"ErrorResponse", "Errors", "Error", "Code"});
  if (!code) code = xml_text(document, {"Response", "Errors", "Error", "Code"});
  return shown_code(code.value_or(""));
}

struct Call {
  const Settings& settings;
  Search& search;
  const std::string& provider;
  std::function<Secret()> body;
  const Keys* keys = nullptr;  ///< null: unsigned
};

Result<Endpoint> sts_endpoint(const Call& call) {
  // Without a region the global endpoint answers, as it does botocore.
  auto endpoint = call.settings.endpoint(Service::sts, call.settings.region.empty() ? "aws-global" : "");
  if (!endpoint) return failed(call.settings, call.provider, std::move(endpoint).error());
  if (endpoint->signing_region == "aws-global") endpoint->signing_region = "us-east-1";
  return endpoint;
}

Result<WebReply> send(Inquiry& ask, const Call& call) {
  auto endpoint = sts_endpoint(call);
  if (!endpoint) return std::move(endpoint).error();
  const auto make = [&](Moment now) {
    HttpRequest request{"POST", endpoint->url + "/"};
    request.headers.push_back(web_header("Content-Type", "application/x-www-form-urlencoded; charset=utf-8"));
    request.body = call.body();
    request.ca_file = call.settings.ca_bundle;
    request.plain_http_allowed = endpoint->plain_http;
    request.deadline = request_deadline;
    if (call.keys != nullptr) {
      const auto time = later(now.wall, call.search.skew);
      sign(request, *call.keys, {endpoint->signing_region, "sts", time});
    }
    return request;
  };
  RetryRule rule;
  rule.statuses = {429, 500, 502, 503, 504};
  rule.also = [](const WebReply& reply) {
    return !reply.success() && std::find(passing.begin(), passing.end(), code_of(reply)) != passing.end();
  };
  auto reply = ask_web(ask, make, rule, call.settings.where);
  if (!reply) return failed(call.settings, call.provider, std::move(reply).error());
  // Of any reply: a token for RDS is dated by it, and nobody would correct that.
  const auto off = told_skew(*reply, call.search.skew) - call.search.skew;
  call.search.skew += off;
  const bool spoilt = off >= skew_min || off <= -skew_min;
  if (call.keys == nullptr || reply->success() || !spoilt) return reply;
  reply = ask_web(ask, make, rule, call.settings.where);
  if (!reply) return failed(call.settings, call.provider, std::move(reply).error());
  return reply;
}

ErrorCode meaning_of(int status) {
  if (status == 429 || status >= 500) return ErrorCode::retry_later;
  return status == 401 || status == 403 ? ErrorCode::denied : ErrorCode::bad_config;
}

std::string hint_for(const std::string& code) {
  if (code == "AccessDenied")
    return "The role's trust policy must name this identity (and its external id), and our policy allow "
           "sts:AssumeRole";
  if (code == "ExpiredToken" || code == "ExpiredTokenException")
    return "Have new keys or a new token made; for SSO: `aws sso login`";
  if (code == "InvalidClientTokenId" || code == "UnrecognizedClientException")
    return "The access key is unknown: deleted, of another partition, or its session token is missing";
  if (code == "SignatureDoesNotMatch") return "The secret access key does not belong to the access key";
  if (code == "InvalidIdentityToken")
    return "The role trusts another issuer or audience than the token's, or the token is none";
  if (code == "RegionDisabledException")
    return "Activate STS for this region in the account, or name another region";
  if (code == "RequestExpired" || code == "RequestTimeTooSkewed") return "Correct this machine's clock";
  return "";
}

Error refused(const Call& call, const WebReply& reply, const std::string& wanted) {
  const auto code = code_of(reply);
  call.search.refused_with = code;
  auto meaning = meaning_of(reply.status);
  if (code.starts_with("ExpiredToken") || code == "InvalidIdentityToken") meaning = ErrorCode::denied;
  return failed(call.settings, call.provider, meaning,
                "STS refused " + wanted + ": " + (code.empty() ? "" : code + ", ") + "status " +
                    std::to_string(reply.status),
                hint_for(code));
}

Result<Keys> keys_in(const Call& call, const WebReply& reply, std::string_view response,
                     std::string_view result, const std::string& wanted, Moment now) {
  if (!reply.success()) return refused(call, reply, wanted);
  const auto document = reply.http->body.reveal();
  const auto text = [&](std::string_view name) {
    return xml_text(document, {response, result, "Credentials", name}).value_or("");
  };
  Keys keys{std::string{text("AccessKeyId")},
            Secret::copy_of(text("SecretAccessKey")),
            Secret::copy_of(text("SessionToken")),
            parse_iso_time(text("Expiration")),
            {}};
  if (keys.session_token.empty() || !keys.expires) {
    return failed(call.settings, call.provider, ErrorCode::invalid_message,
                  "the reply to " + wanted + " holds no keys with a session token and an expiration",
                  "Check the endpoint's address, and whether a proxy or a login page answers in its place");
  }
  now.wall = later(now.wall, call.search.skew);
  return checked_keys(std::move(keys), now, call.settings, call.provider);
}

void add_role(FormWriter& form, const Inquiry& ask, const Role& role) {
  form.field("RoleArn", role.arn);
  form.field("RoleSessionName", role.session_name.empty() ? "sallyport-" + crypto::hex(ask.random().first(8))
                                                          : role.session_name);
  if (!role.external_id.empty()) form.field("ExternalId", role.external_id);
  if (!role.duration_seconds.empty()) form.field("DurationSeconds", role.duration_seconds);
}

FormWriter form_of(std::string_view action) {
  FormWriter form;
  form.field("Action", action);
  form.field("Version", "2011-06-15");
  return form;
}

}  // namespace

Result<Keys> assume_role(Inquiry& ask, const Settings& settings, Search& search, const Role& role,
                         const Keys& with, const std::string& provider) {
  const auto body = [&] {
    auto form = form_of("AssumeRole");
    add_role(form, ask, role);
    return form.finish();
  };
  const Call call{settings, search, provider, body, &with};
  auto reply = send(ask, call);
  if (!reply) return std::move(reply).error();
  return keys_in(call, *reply, "AssumeRoleResponse", "AssumeRoleResult", "the role " + role.arn, ask.now());
}

Result<Keys> assume_role_with_web_identity(Inquiry& ask, const Settings& settings, Search& search,
                                           const Role& role, const Secret& token,
                                           const std::string& provider) {
  const auto body = [&] {
    auto form = form_of("AssumeRoleWithWebIdentity");
    add_role(form, ask, role);
    form.field("WebIdentityToken", token.reveal());
    return form.finish();
  };
  const Call call{settings, search, provider, body, nullptr};
  auto reply = send(ask, call);
  if (!reply) return std::move(reply).error();
  return keys_in(call, *reply, "AssumeRoleWithWebIdentityResponse", "AssumeRoleWithWebIdentityResult",
                 "the role " + role.arn, ask.now());
}

Result<std::string> caller_identity(Inquiry& ask, const Settings& settings, Search& search,
                                    const Keys& keys) {
  const std::string provider = "GetCallerIdentity";
  const Call call{settings, search, provider, [] { return form_of("GetCallerIdentity").finish(); }, &keys};
  auto reply = send(ask, call);
  if (!reply) return std::move(reply).error();
  if (!reply->success()) return refused(call, *reply, "to say whose keys these are");
  const auto arn =
      xml_text(reply->http->body.reveal(), {"GetCallerIdentityResponse", "GetCallerIdentityResult", "Arn"});
  if (!arn || !arn->starts_with("arn:") || arn->size() > 2048) {
    return failed(settings, provider, ErrorCode::invalid_message, "the reply names no ARN");
  }
  return std::string{*arn};
}

}  // namespace sallyport::secrets::aws
