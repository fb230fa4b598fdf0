// Logging in as an AWS identity: Vault is given a request to STS (GetCallerIdentity) that we signed and did not send. It
// sends it itself, to its own address of STS, and believes what that answers.
//
// Who has such a request can log in with it for 15 minutes, so it names the Vault that it is for where the mount asks for
// that (iam_server_id=): the header is signed, too.
#include "base/ascii.h"
#include "crypto/hash.h"
#include "secrets/aws/chain.h"
#include "secrets/aws/sigv4.h"
#include "secrets/json_writer.h"
#include "secrets/vault/login.h"
#include "secrets/web.h"

namespace sallyport::secrets::vault {

namespace {

constexpr std::string_view global_url = "https://sts.amazonaws.com";
constexpr std::string_view global_region = "us-east-1";
constexpr std::string_view question = "Action=GetCallerIdentity&Version=2011-06-15";

/// Vault's own default is the global address; one region's where the mount is set up so.
Result<aws::Endpoint> place_of(const Options& options) {
  if (options.region.empty())
    return aws::Endpoint{std::string{global_url}, std::string{global_region}, false};
  return aws::endpoint_of(aws::Service::sts, options.region, {}, {});
}

/// The headers as one JSON object, Host left out: Vault adds its own.
Secret headers_of(const HttpRequest& request) {
  JsonWriter out;
  for (const auto& header : request.headers) {
    if (to_lower(header.name) != "host") out.text(header.name, header.value.reveal());
  }
  return out.finish();
}

Secret encoded(std::string_view text) {
  auto base64 = crypto::base64_encode(as_bytes(text));
  auto out = Secret::copy_of(base64);
  wipe_memory(base64.data(), base64.size());
  return out;
}

}  // namespace

Result<Login> gather_aws(Inquiry& ask, const State& state) {
  const auto& options = state.options;
  aws::Choice choice;
  choice.profile = options.profile;
  choice.insecure_reason = options.insecure_reason;
  choice.where = state.where();
  auto settings = aws::read_settings(ask, choice);
  if (!settings) return std::move(settings).error();
  aws::Search search;
  auto keys = aws::find_keys(ask, *settings, search);
  if (!keys) return std::move(keys).error();
  auto place = place_of(options);
  if (!place) return std::move(place).error();
  HttpRequest request{"POST", place->url + "/"};
  request.headers.push_back(web_header("Content-Type", "application/x-www-form-urlencoded; charset=utf-8"));
  if (!options.iam_server_id.empty()) {
    request.headers.push_back(web_header("X-Vault-AWS-IAM-Server-ID", options.iam_server_id));
  }
  request.body = Secret::copy_of(question);
  const auto time = later(ask.now().wall, search.skew);
  aws::sign(request, *keys, {place->signing_region, "sts", time});
  JsonWriter body;
  if (!options.role.empty()) body.text("role", options.role);
  body.text("iam_http_request_method", "POST");
  body.text("iam_request_url", encoded(request.url).reveal());
  body.text("iam_request_body", encoded(question).reveal());
  body.text("iam_request_headers", encoded(headers_of(request).reveal()).reveal());
  return Login{login_path(options), body.finish(), {}, {}, {}};
}

}  // namespace sallyport::secrets::vault
