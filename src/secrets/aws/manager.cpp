#include "secrets/aws/manager.h"

#include "base/ascii.h"
#include "secrets/aws/sigv4.h"
#include "secrets/aws/xml.h"

#include <algorithm>
#include <array>

namespace sallyport::secrets::aws {

namespace {

constexpr auto request_deadline = std::chrono::seconds{10};

/// AWS allows 5 minutes.
constexpr Duration skew_fatal = std::chrono::minutes{4};

template <std::size_t size>
bool holds(const std::array<std::string_view, size>& list, std::string_view code) {
  return std::find(list.begin(), list.end(), code) != list.end();
}

constexpr std::array<std::string_view, 11> passing{"Throttling",
                                                   "ThrottlingException",
                                                   "ThrottledException",
                                                   "RequestThrottledException",
                                                   "RequestLimitExceeded",
                                                   "TooManyRequestsException",
                                                   "PriorRequestNotComplete",
                                                   "RequestTimeout",
                                                   "RequestTimeoutException",
                                                   "InternalServiceError",
                                                   "InternalServerError"};

constexpr std::array<std::string_view, 15> keys_codes{"UnrecognizedClientException",
                                                      "InvalidClientTokenId",
                                                      "InvalidSignatureException",
                                                      "SignatureDoesNotMatch",
                                                      "ExpiredToken",
                                                      "ExpiredTokenException",
                                                      "InvalidToken",
                                                      "InvalidAccessKeyId",
                                                      "AuthFailure",
                                                      "IncompleteSignature",
                                                      "IncompleteSignatureException",
                                                      "MissingAuthenticationToken",
                                                      "RequestExpired",
                                                      "RequestTimeTooSkewed",
                                                      "TokenRefreshRequired"};

/// "com.amazonaws.secretsmanager#ResourceNotFoundException:http://…" → "ResourceNotFoundException".
std::string bare_code(std::string_view text) {
  text = text.substr(0, text.find(':'));
  if (const auto hash = text.rfind('#'); hash != std::string_view::npos) text.remove_prefix(hash + 1);
  return shown_code(text);
}

std::string code_of(const WebReply& reply) {
  if (reply.success()) return {};
  for (const auto text :
       {reply.header("x-amzn-errortype"), reply.root()["__type"].text(), reply.root()["code"].text()})
    if (!text.empty()) return bare_code(text);
  // Gateways in front of the service answer in XML.
  const auto body = reply.http->body.reveal();
  for (const auto code : {xml_text(body, {"ErrorResponse", "Error", "Code"}),
                          xml_text(body, {"ErrorResponse", "Errors", "Error", "Code"}),
                          xml_text(body, {"Response", "Errors", "Error", "Code"})}) {
    if (code) return shown_code(*code);
  }
  return {};
}

std::string minutes_text(Duration skew) {
  const auto minutes = std::chrono::duration_cast<std::chrono::minutes>(skew).count();
  return std::to_string(minutes < 0 ? -minutes : minutes) + " minutes " +
         (minutes < 0 ? "ahead of" : "behind");
}

Error error_at(const ManagerCall& call, ErrorCode code, std::string what, std::string hint) {
  return {code, Hop::secret_source, call.where, std::move(what), std::move(hint), {}};
}

Error keys_error(const ManagerCall& call, const ManagerReply& reply, const KeyCache& keys,
                 const std::string& said) {
  const auto skew = clock_difference(reply.web);
  if (skew && (*skew > skew_fatal || *skew < -skew_fatal)) {
    return error_at(call, ErrorCode::denied,
                    said + "; this machine's clock is " + minutes_text(*skew) + " AWS' own",
                    "Correct the clock");
  }
  const auto& provider = keys.keys().provider;
  std::string hint = "See with sallyport whoami whose they are";
  if (reply.code.starts_with("ExpiredToken") || reply.code == "RequestExpired")
    hint = "Have new ones made; for SSO: aws sso login";
  if (reply.code == "SignatureDoesNotMatch" || reply.code == "InvalidSignatureException")
    hint =
        "The secret access key does not belong to the access key, or something on the way changes requests";
  if (reply.code == "UnrecognizedClientException" || reply.code == "InvalidClientTokenId")
    hint = "The access key is unknown: deleted, of another partition, or its session token is missing";
  return error_at(call, ErrorCode::denied, said + "; the keys are those of " + provider, hint);
}

}  // namespace

bool ManagerReply::keys_refused() const { return holds(keys_codes, code); }

std::string_view ManagerReply::message() const {
  const auto root = web.root();
  const auto text = root["Message"].text();
  return text.empty() ? root["message"].text() : text;
}

Result<ManagerReply> ask_manager(Inquiry& ask, const KeyCache& keys, const ManagerCall& call,
                                 const std::function<Secret()>& body) {
  const auto& settings = keys.settings();
  const auto& region = call.region.empty() ? settings.region : call.region;
  if (region.empty()) {
    return error_at(call, ErrorCode::bad_config,
                    "no region: neither the reference nor AWS_REGION nor the profile says one",
                    "Add ?region=eu-west-1, or set AWS_REGION");
  }
  auto endpoint = settings.endpoint(call.service, region);
  if (!endpoint) {
    auto error = std::move(endpoint).error();
    if (!error.where.starts_with(call.where)) error.where = call.where + " " + error.where;
    return error;
  }
  Duration skew = keys.skew();
  const auto make = [&](Moment now) {
    HttpRequest request{"POST", endpoint->url + "/"};
    request.headers.push_back(web_header("Content-Type", "application/x-amz-json-1.1"));
    request.headers.push_back(web_header("X-Amz-Target", call.operation));
    request.body = body();
    request.ca_file = settings.ca_bundle;
    request.plain_http_allowed = endpoint->plain_http;
    request.deadline = request_deadline;
    sign(request, keys.keys(),
         {endpoint->signing_region, std::string{signing_name(call.service)}, later(now.wall, skew)});
    return request;
  };
  RetryRule rule;
  rule.also = [](const WebReply& reply) { return holds(passing, code_of(reply)); };
  for (bool again = false;; again = true) {
    auto reply = ask_web(ask, make, rule, call.where);
    if (!reply) return std::move(reply).error();
    ManagerReply out{std::move(*reply), {}, endpoint->url, {}};
    out.code = code_of(out.web);
    out.skew = told_skew(out.web, skew);
    const auto off = out.skew - skew;
    if (again || !out.keys_refused() || (off < skew_fatal && off > -skew_fatal)) return out;
    skew = out.skew;
  }
}

Error manager_refusal(const ManagerCall& call, const ManagerReply& reply, const KeyCache& keys) {
  const auto host = host_of_url(reply.endpoint);
  const auto status = "status " + std::to_string(reply.web.status);
  const auto said = host + " answered " + (reply.code.empty() ? status : reply.code + " (" + status + ")");
  if (reply.keys_refused()) return keys_error(call, reply, keys, said);
  if (reply.web.success()) {
    return error_at(call, ErrorCode::invalid_message, host + " answered no JSON object",
                    "Check the endpoint's address, and whether a proxy answers in its place");
  }
  const std::string permission{call.permission};
  if (reply.code == "AccessDeniedException" || reply.code == "AccessDenied") {
    const auto message = to_lower(reply.message());
    const bool key = message.find("kms") != std::string::npos;
    return error_at(
        call, ErrorCode::denied, said,
        (key ? "Allow kms:Decrypt on the key that encrypts it" : "Allow " + permission + " on it") +
            " for the identity that sallyport whoami shows; a policy of the secret or of a VPC endpoint "
            "can forbid it, too");
  }
  if (reply.code == "DecryptionFailure" || reply.code == "InvalidKeyId") {
    return error_at(call, ErrorCode::denied, said + ": it cannot be decrypted",
                    "Look whether its KMS key is enabled, and allow kms:Decrypt on it");
  }
  if (holds(passing, reply.code) || reply.web.status >= 500 || reply.web.status == 429) {
    return error_at(call, ErrorCode::retry_later, said, "It is tried again");
  }
  const bool no = reply.web.status == 401 || reply.web.status == 403;
  return error_at(call, no ? ErrorCode::denied : ErrorCode::bad_config, said,
                  no ? "Allow " + permission + " on it for the identity that sallyport whoami shows"
                     : "Check the name, the region and the endpoint");
}

}  // namespace sallyport::secrets::aws
