#include "secrets/gcp/metadata.h"

#include "secrets/gcp/account.h"
#include "secrets/literal_host.h"

#include <algorithm>

namespace sallyport::secrets::gcp {

namespace {

constexpr std::string_view usual_address = "169.254.169.254";
constexpr std::string_view account_path = "/computeMetadata/v1/instance/service-accounts/default/";

/// Off Google Cloud the address usually swallows packets: whoever has no identity waits this long to hear so.
constexpr int detect_tries = 3;
constexpr Duration detect_deadline = std::chrono::seconds{1};

/// As google-auth fetches: five tries of three seconds.
constexpr int fetch_tries = 5;
constexpr Duration fetch_deadline = std::chrono::seconds{3};

Error wrong_host(const Context& context) {
  return fault(context, ErrorCode::bad_config,
               "GCE_METADATA_HOST names another host than the metadata server of a machine",
               "Unset it, or write 169.254.169.254; a loopback address only with ?insecure_reason=…");
}

HttpRequest metadata_request(const std::string& url, Duration deadline) {
  HttpRequest request;
  request.url = url;
  request.plain_http_allowed = true;  // the client itself refuses all but link-local and loopback
  request.deadline = deadline;
  request.headers.push_back(web_header("Metadata-Flavor", "Google"));
  return request;
}

bool is_google(const HttpReply& reply) {
  return std::ranges::any_of(reply.headers, [](const auto& header) {
    return header.first == "metadata-flavor" && header.second == "Google";
  });
}

/// Why the usual address is no metadata server; empty: it is one.
std::string knock(Inquiry& ask) {
  const std::string address{usual_address};
  for (int tried = 0; tried < detect_tries; ++tried) {
    const auto begun = ask.now().mono;
    const auto reply = ask.http(metadata_request("http://" + address + "/", detect_deadline));
    if (reply) {
      const bool ours = (*reply)->status == 200 && is_google(**reply);
      return ours ? "" : "what answers at " + address + " is not Google's (no Metadata-Flavor: Google)";
    }
    // Refused or unreachable is an answer; only silence is worth asking again.
    if (ask.now().mono - begun < detect_deadline / 2) break;
  }
  return "nothing answers at " + address + ": this is no machine of Google Cloud";
}

Result<WebReply> fetch(Inquiry& ask, const Context& context, const std::string& url) {
  auto rule = retry_rule();
  rule.tries = fetch_tries;
  auto reply = ask_web(
      ask, [&](Moment) { return metadata_request(url, fetch_deadline); }, rule, context.where);
  if (!reply) {
    auto error = std::move(reply).error();
    error.what = "metadata server: " + error.what;
    return error;
  }
  if (!is_google(*reply->http)) {
    return fault(context, ErrorCode::peer_misbehaved,
                 "metadata server: " + host_of_url(url) + " answers without Metadata-Flavor: Google",
                 "Something else answers in its place: look for a proxy");
  }
  return reply;
}

Error refused(const Context& context, const WebReply& reply, std::string_view what) {
  if (reply.status == 404) {
    return fault(context, ErrorCode::denied,
                 "metadata server: this machine has no service account (" + std::string{what} + ")",
                 "Give it one: gcloud compute instances set-service-account NAME --service-account E-MAIL "
                 "--scopes cloud-platform; on GKE, bind the Kubernetes service account");
  }
  return fault(context, code_of_status(reply.status),
               "metadata server: " + status_text(reply) + " for the " + std::string{what} + clock_note(reply),
               "Look at the service account and the scopes of this machine");
}

/// A short line of text: an e-mail address, a domain.
std::string line_of(const WebReply& reply) {
  auto text = reply.http->body.reveal();
  while (!text.empty() && (text.back() == '\n' || text.back() == '\r')) text.remove_suffix(1);
  const bool plain = !text.empty() && text.size() <= 255 &&
                     std::ranges::all_of(text, [](char c) { return c > ' ' && c < 0x7f; });
  return plain ? std::string{text} : std::string{};
}

}  // namespace

Result<MetadataServer> find_metadata_server(Inquiry& ask, const Context& context) {
  auto host = ask.text("GCE_METADATA_HOST");
  if (!host) return std::move(host).error();
  if (host->empty()) {
    auto off = ask.text("NO_GCE_CHECK");
    if (!off) return std::move(off).error();
    if (*off == "true") return MetadataServer{{}, "NO_GCE_CHECK=true"};
    auto why = knock(ask);
    if (!why.empty()) return MetadataServer{{}, std::move(why)};
    return MetadataServer{"http://" + std::string{usual_address}, {}};
  }
  // The name is the same service; asked by its address, nobody's name server can lead elsewhere.
  if (*host == "metadata.google.internal" || *host == "metadata.google.internal." || *host == "metadata")
    *host = usual_address;
  const auto [name, port] = split_authority(*host);
  const bool loopback = is_loopback_literal(name);
  if ((!port.empty() && !is_port(port)) || (!loopback && !is_link_local_literal(name)))
    return wrong_host(context);
  if (loopback && context.insecure_reason.empty()) return wrong_host(context);
  return MetadataServer{"http://" + *host, {}};
}

Result<AccessToken> metadata_token(Inquiry& ask, const Context& context, const std::string& root,
                                   std::string_view scope) {
  auto reply = fetch(ask, context, root + std::string{account_path} + "token?scopes=" + std::string{scope});
  if (!reply) return std::move(reply).error();
  if (reply->status != 200) return refused(context, *reply, "token");
  return token_of(context, *reply, "metadata server");
}

Result<std::string> metadata_email(Inquiry& ask, const Context& context, const std::string& root) {
  auto reply = fetch(ask, context, root + std::string{account_path} + "email");
  if (!reply) return std::move(reply).error();
  if (reply->status != 200) return refused(context, *reply, "e-mail address");
  auto email = line_of(*reply);
  if (email.empty()) {
    return fault(context, ErrorCode::invalid_message, "metadata server: the e-mail address is none");
  }
  return email;
}

Result<std::string> metadata_universe(Inquiry& ask, const Context& context, const std::string& root) {
  auto reply = fetch(ask, context, root + "/computeMetadata/v1/universe/universe-domain");
  if (!reply) return std::move(reply).error();
  if (reply->status == 404) return std::string{default_universe};
  if (reply->status != 200) return refused(context, *reply, "universe domain");
  auto domain = line_of(*reply);
  if (domain.empty()) return std::string{default_universe};
  if (!is_domain(domain))
    return fault(context, ErrorCode::invalid_message, "metadata server: the universe domain is none");
  return domain;
}

}  // namespace sallyport::secrets::gcp
