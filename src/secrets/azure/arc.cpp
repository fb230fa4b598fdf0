// Azure Arc: a machine elsewhere, whose agent gives a token to whoever can read a file that it names. So the agent proves
// nothing and we do; a false agent must not be able to name a file of its choice. The file is in the agent's directory,
// its name is a plain one with .key behind it, and it is short (threat 12).
#include "base/ascii.h"
#include "secrets/azure/endpoint.h"
#include "secrets/azure/provider.h"

#include <algorithm>

namespace sallyport::secrets::azure {

namespace {

const std::string name = "managed identity (Arc)";
constexpr std::string_view directory = "/var/opt/azcmagent/tokens/";
constexpr std::size_t key_bytes_max = 4096;

/// "/var/opt/azcmagent/tokens/….key" of `Basic realm=…`; empty: no such file.
std::string key_file_of(std::string_view challenge) {
  constexpr std::string_view prefix = "basic realm=";
  if (challenge.size() <= prefix.size() || to_lower(challenge.substr(0, prefix.size())) != prefix) return {};
  auto path = challenge.substr(prefix.size());
  if (path.size() > 2 && path.starts_with('"') && path.ends_with('"')) path = path.substr(1, path.size() - 2);
  if (!path.starts_with(directory) || !path.ends_with(".key") || path.size() > 255) return {};
  const auto file = path.substr(directory.size());
  const bool plain = std::all_of(file.begin(), file.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '_' || c == '.';
  });
  return plain && !file.starts_with('.') && file.size() > 4 ? std::string{path} : std::string{};
}

Result<Secret> basic(Inquiry& ask, const Settings& settings, Search& search, const std::string& path) {
  auto content = ask.file({path, key_bytes_max, FileTrust::is_private});
  if (!content) {
    auto error = std::move(content).error();
    error.what = path + ": " + error.what;
    if (error.code == ErrorCode::denied)
      error.hint = "Add this account to the group himds: usermod -aG himds ACCOUNT";
    return failed(settings, search, name, std::move(error));
  }
  auto key = (*content)->reveal();
  while (!key.empty() && (key.back() == '\n' || key.back() == '\r')) key.remove_suffix(1);
  const bool plain = std::all_of(key.begin(), key.end(), [](char c) { return c > 0x20 && c < 0x7F; });
  if (key.empty() || (*content)->size() > key_bytes_max || !plain) {
    return failed(settings, search, name,
                  (*content)->size() > key_bytes_max ? ErrorCode::limit_exceeded : ErrorCode::invalid_message,
                  path + " is no key: " + (key.empty() ? "it is empty" : "too long, or not one word"));
  }
  constexpr std::string_view prefix = "Basic ";
  auto out = Secret::of_size(prefix.size() + key.size());
  auto* at = std::copy(prefix.begin(), prefix.end(), out.writable().begin()).base();
  std::copy(key.begin(), key.end(), at);
  return out;
}

/// An old agent does not know how to choose and answers for the machine: that would be somebody else.
bool is_confirmed(JsonView root, const Settings& settings) {
  const auto same = [](std::string_view wanted, std::string_view given) {
    return to_lower(wanted) == to_lower(given);
  };
  if (!settings.resource_id.empty())
    return same(settings.resource_id, root["msi_res_id"].text()) ||
           same(settings.resource_id, root["mi_res_id"].text());
  if (!settings.object_id.empty()) return same(settings.object_id, root["object_id"].text());
  return settings.client_id.empty() || same(settings.client_id, root["client_id"].text());
}

Error refused(const WebReply& reply, const Settings& settings, Search& search) {
  const auto status = "status " + std::to_string(reply.status);
  if (reply.status == 408 || reply.status == 429 || reply.status >= 500)
    return failed(settings, search, name, ErrorCode::retry_later, "it answers with " + status);
  return failed(settings, search, name, ErrorCode::denied, "it answers with " + status,
                "azcmagent show says whether the machine is connected");
}

}  // namespace

Offer arc_token(Inquiry& ask, const Settings& settings, const std::string& scope, Search& search,
                const std::string& address) {
  if (auto checked = check_agent(address, "IDENTITY_ENDPOINT"); !checked)
    return failed(settings, search, name, std::move(checked).error());
  const auto endpoint = *parse_endpoint(address);
  RetryRule rule;
  rule.tries = search.patient ? 4 : 2;
  rule.first = std::chrono::milliseconds{800};
  rule.statuses = {408, 429, 500, 502, 503, 504};
  Secret key;
  const auto make = [&](Moment) {
    HttpRequest request{"GET", address + "?api-version=2020-06-01&resource=" + in_query(resource_of(scope)) +
                                   selector(settings, "msi_res_id")};
    request.plain_http_allowed = !endpoint.https;
    if (endpoint.https) request.ca_file = settings.ca_file;
    request.deadline = std::chrono::seconds{10};
    request.headers.push_back(web_header("Metadata", "true"));
    if (!key.empty()) request.headers.push_back({"Authorization", key.clone()});
    return request;
  };
  auto challenge = ask_web(ask, make, rule, settings.where);
  if (!challenge) return failed(settings, search, name, std::move(challenge).error());
  if (challenge->status != 401) {
    if (!challenge->success()) return refused(*challenge, settings, search);
    return failed(settings, search, name, ErrorCode::peer_misbehaved,
                  "it answers without asking for the key: this is not the agent of Azure Arc");
  }
  const auto path = key_file_of(challenge->header("www-authenticate"));
  if (path.empty()) {
    return failed(settings, search, name, ErrorCode::peer_misbehaved,
                  "it names a key that is no .key file in " + std::string{directory},
                  "What listens at IDENTITY_ENDPOINT is not the agent of Azure Arc, which would");
  }
  auto proof = basic(ask, settings, search, path);
  if (!proof) return std::move(proof).error();
  key = std::move(*proof);
  auto reply = ask_web(ask, make, rule, settings.where);
  if (!reply) return failed(settings, search, name, std::move(reply).error());
  if (!reply->success()) return refused(*reply, settings, search);
  if (!is_confirmed(reply->root(), settings)) {
    return failed(
        settings, search, name, ErrorCode::denied,
        "the agent did not say that the token is of the identity that was chosen, but may have given the "
        "machine's own",
        "Update the agent, or leave client_id= and AZURE_CLIENT_ID out");
  }
  return managed_reply(ask, *reply, settings, search, name, endpoint.origin());
}

}  // namespace sallyport::secrets::azure
