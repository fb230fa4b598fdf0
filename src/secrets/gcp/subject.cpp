#include "secrets/gcp/subject.h"

#include "base/limits.h"

#include <algorithm>

namespace sallyport::secrets::gcp {

namespace {

constexpr std::size_t headers_max = 16;
constexpr Duration url_deadline = std::chrono::seconds{5};

/// The token out of a text, or out of a member of a JSON object.
Result<Subject> in_format(const Origin& origin, std::string_view text, const std::string& source) {
  const auto format = origin.file["credential_source"]["format"];
  const auto type = format["type"].text();
  if (type.empty() || type == "text") return checked_subject(origin, text, source);
  const auto name = format["subject_token_field_name"].text();
  if (type != "json" || name.empty()) {
    return fault(origin.context, ErrorCode::bad_config,
                 "credential_source.format of " + origin.path +
                     " is neither text nor json with a "
                     "subject_token_field_name");
  }
  auto json = Json::parse(text, source);
  if (!json)
    return fault(origin.context, ErrorCode::invalid_message, source + " is no JSON, as its format says");
  const auto member = json->root()[name];
  if (member.kind() != JsonView::Kind::string) {
    std::string seen;
    for (const auto key : json->root().keys()) seen += (seen.empty() ? "" : ", ") + shown_code(key);
    return fault(origin.context, ErrorCode::not_found,
                 source + " has no text in the member of subject_token_field_name; it has " +
                     (seen.empty() ? "none" : seen.substr(0, 200)));
  }
  return checked_subject(origin, member.text(), source);
}

Result<Subject> from_url(Inquiry& ask, const Origin& origin, std::string_view url) {
  const std::string named = "credential_source.url of " + origin.path;
  HttpRequest request;
  if (is_link_local_url(url)) {
    request.url = url;
    request.plain_http_allowed = true;
  } else {
    auto checked = request_to(ask, origin.context, "GET", url, named);
    if (!checked) return std::move(checked).error();
    request = std::move(*checked);
  }
  request.deadline = url_deadline;
  const auto headers = origin.file["credential_source"]["headers"];
  for (const auto name : headers.keys()) {
    if (request.headers.size() == headers_max) break;
    request.headers.push_back(web_header(name, headers[name].text()));
  }
  auto reply = ask_web(
      ask, [&](Moment) { return copy_of(request); }, retry_rule(), origin.context.where);
  if (!reply) return std::move(reply).error();
  if (reply->status != 200) {
    return fault(origin.context, code_of_status(reply->status),
                 named + " (" + host_of_url(url) + "): " + status_text(*reply));
  }
  return in_format(origin, reply->http->body.reveal(), named);
}

}  // namespace

bool is_link_local_url(std::string_view url) {
  const auto host = host_of_url(url);
  return url.starts_with("http://169.254.") && std::ranges::count(host, '.') == 3 &&
         std::ranges::all_of(host, [](char c) { return (c >= '0' && c <= '9') || c == '.' || c == ':'; });
}

Result<Subject> checked_subject(const Origin& origin, std::string_view token, const std::string& source) {
  constexpr std::string_view space = " \t\r\n";
  const auto first = token.find_first_not_of(space);
  if (first == std::string_view::npos)
    return fault(origin.context, ErrorCode::not_found, source + " has no token in it");
  token = token.substr(first, token.find_last_not_of(space) + 1 - first);
  if (token.size() > limits::secret_bytes_max)
    return fault(origin.context, ErrorCode::limit_exceeded, source + " is longer than 65536 bytes");
  return Subject{Secret::copy_of(token), {}, {}};
}

Result<Subject> subject_of(Inquiry& ask, const Origin& origin) {
  const auto source = origin.file["credential_source"];
  const auto type = origin.file["subject_token_type"].text();
  if (!source.is_object()) {
    return fault(origin.context, ErrorCode::bad_config, origin.path + " has no credential_source",
                 "Write it with gcloud iam workload-identity-pools create-cred-config");
  }
  if (type == "urn:ietf:params:aws:token-type:aws4_request") return subject_from_aws(ask, origin);
  int ways = 0;
  for (const auto* way : {"file", "url", "executable", "certificate"}) ways += source[way].present() ? 1 : 0;
  if (ways != 1) {
    return fault(
        origin.context, ErrorCode::bad_config,
        "credential_source of " + origin.path + (ways == 0 ? " names no source" : " names several sources"),
        "It has one of file, url, executable and certificate");
  }
  if (source["executable"].present()) return subject_from_program(ask, origin);
  if (source["certificate"].present()) return subject_from_certificate(ask, origin);
  if (source["url"].present()) return from_url(ask, origin, source["url"].text());
  const std::string path{source["file"].text()};
  const std::string named = "credential_source.file of " + origin.path;
  // Projected tokens are often readable for all in their container; they live for minutes.
  auto content = read_credentials_file(ask, origin.context, path, FileTrust::any, named);
  if (!content) return std::move(content).error();
  return in_format(origin, (*content)->reveal(), named);
}

}  // namespace sallyport::secrets::gcp
