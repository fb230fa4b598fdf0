// A workload in AWS: the subject token is a request to AWS STS (GetCallerIdentity), signed with the workload's keys, which
// Google makes in our place to hear who we are.
//
// Keys come from the environment or the instance's metadata service and nowhere else, as in Google's own libraries: a
// profile that lies about would make us somebody else.
#include "base/ascii.h"
#include "secrets/aws/provider.h"
#include "secrets/aws/sigv4.h"
#include "secrets/gcp/service.h"
#include "secrets/gcp/subject.h"

#include <algorithm>

namespace sallyport::secrets::gcp {

namespace {

constexpr Duration metadata_deadline = std::chrono::seconds{1};

Error wrong(const Origin& origin, std::string what, std::string hint = {}) {
  return fault(origin.context, ErrorCode::bad_config,
               "credential_source of " + origin.path + " " + std::move(what), std::move(hint));
}

bool is_region(std::string_view text) {
  return !text.empty() && text.size() <= 64 && std::ranges::all_of(text, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-';
  });
}

Result<WebReply> ask_metadata(Inquiry& ask, const Origin& origin, const char* method, std::string_view url,
                              HttpHeader header) {
  HttpRequest request;
  request.method = method;
  request.url = url;
  request.plain_http_allowed = true;
  request.deadline = metadata_deadline;
  if (!header.name.empty()) request.headers.push_back(std::move(header));
  return ask_web(
      ask, [&](Moment) { return copy_of(request); }, retry_rule(), origin.context.where);
}

/// The zone that the instance is in, without its letter.
Result<std::string> region_of_instance(Inquiry& ask, const Origin& origin) {
  const auto source = origin.file["credential_source"];
  const auto url = source["region_url"].text();
  const auto token_url = source["imdsv2_session_token_url"].text();
  if (!is_link_local_url(url) || (!token_url.empty() && !is_link_local_url(token_url))) {
    return wrong(origin, "says no region_url of the instance's metadata service", "Set AWS_REGION");
  }
  HttpHeader header;
  if (!token_url.empty()) {
    auto reply = ask_metadata(ask, origin, "PUT", token_url,
                              web_header("X-aws-ec2-metadata-token-ttl-seconds", "300"));
    if (!reply) return std::move(reply).error();
    if (reply->status != 200)
      return fault(origin.context, code_of_status(reply->status),
                   "EC2's metadata service: " + status_text(*reply));
    header = {"X-aws-ec2-metadata-token", reply->http->body.clone()};
  }
  auto reply = ask_metadata(ask, origin, "GET", url, std::move(header));
  if (!reply) return std::move(reply).error();
  auto zone = std::string{reply->http->body.reveal().substr(0, 65)};
  if (reply->status != 200 || zone.size() < 2 || !is_region(zone)) {
    return fault(origin.context, ErrorCode::peer_misbehaved, "EC2's metadata service does not say the region",
                 "Set AWS_REGION");
  }
  zone.pop_back();
  return zone;
}

Result<std::string> region_of(Inquiry& ask, const Origin& origin) {
  for (const auto* name : {"AWS_REGION", "AWS_DEFAULT_REGION"}) {
    auto said = ask.text(name);
    if (!said) return std::move(said).error();
    if (said->empty()) continue;
    if (is_region(*said)) return said;
    return fault(origin.context, ErrorCode::bad_config, std::string{name} + " is no region");
  }
  return region_of_instance(ask, origin);
}

Result<aws::Keys> keys_of(Inquiry& ask, const Origin& origin) {
  aws::Settings settings;
  settings.where = origin.context.where;
  aws::Search search;
  for (auto* provider : {aws::environment_keys, aws::instance_keys}) {
    auto keys = provider(ask, settings, search);
    if (!keys) return moved(origin.context, std::move(keys).error(), "AWS");
    if (*keys) return std::move(**keys);
  }
  return fault(origin.context, ErrorCode::bad_config,
               "there are no keys of AWS for " + origin.path + ". Tried: " + list_of(search.tried),
               "Set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or attach a role to the instance");
}

void append(WipedBytes& out, std::string_view text) { out.insert(out.end(), text.begin(), text.end()); }

/// Percent-encoded but for slashes, as Python's quote() does it. Headers hold no quotes and no backslashes.
Secret encoded(const WipedBytes& text) {
  WipedBytes out;
  for (const auto byte : text) {
    const auto c = static_cast<char>(byte);
    append(out, c == '/' ? "/" : encoded_part({&c, 1}));
  }
  return Secret::copy_of(Bytes{out});
}

Secret serialized(const HttpRequest& request) {
  WipedBytes out;
  append(out, "{\"headers\":[{\"key\":\"host\",\"value\":\"" + host_of_url(request.url) + "\"}");
  for (const auto& header : request.headers) {
    append(out, ",{\"key\":\"" + to_lower(header.name) + "\",\"value\":\"");
    append(out, header.value.reveal());
    append(out, "\"}");
  }
  append(out, "],\"method\":\"POST\",\"url\":\"" + request.url + "\"}");
  return encoded(out);
}

}  // namespace

Result<Subject> subject_from_aws(Inquiry& ask, const Origin& origin) {
  const auto source = origin.file["credential_source"];
  if (source["environment_id"].text() != "aws1")
    return wrong(origin, "has another environment_id than aws1, which is not supported");
  std::string url{source["regional_cred_verification_url"].text()};
  const auto audience = origin.file["audience"].text();
  const bool plain = (url + std::string{audience}).find_first_of("\"\\") == std::string::npos;
  if (!url.starts_with("https://") || !plain)
    return wrong(origin, "has no regional_cred_verification_url that begins with https://");
  auto region = region_of(ask, origin);
  if (!region) return std::move(region).error();
  auto keys = keys_of(ask, origin);
  if (!keys) return std::move(keys).error();
  constexpr std::string_view variable = "{region}";
  if (const auto at = url.find(variable); at != std::string::npos) url.replace(at, variable.size(), *region);
  HttpRequest request;
  request.method = "POST";
  request.url = url;
  request.headers.push_back(web_header("x-goog-cloud-target-resource", audience));
  aws::sign(request, *keys, {*region, "sts", ask.now().wall});
  return Subject{serialized(request), {}, {}};
}

}  // namespace sallyport::secrets::gcp
