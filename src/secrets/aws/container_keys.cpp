// ECS tasks, EKS pod identity, Greengrass: an address in the environment that answers with keys. It is configured when it
// is set, so its failure is an error: the instance's own role, which would be asked next, is somebody else's.
//
// The request may carry a token, and the environment names both. So plain http goes to the machine itself and to the
// addresses that AWS uses for this, and nowhere else (threat 12); nor does a token out of a file, whatever is spoken: else
// two variables would send any file of one line to any host.
#include "base/limits.h"
#include "secrets/aws/provider.h"
#include "secrets/literal_host.h"
#include "secrets/web.h"

#include <algorithm>
#include <array>

namespace sallyport::secrets::aws {

namespace {

constexpr auto request_deadline = std::chrono::seconds{2};
constexpr std::string_view ecs_address = "http://169.254.170.2";
constexpr std::array<std::string_view, 4> near_hosts{"169.254.170.2", "169.254.170.23", "[fd00:ec2::23]",
                                                     "localhost"};

struct Address {
  std::string url;
  const char* variable = "";
};

/// Errors  bad_config: where no keys are asked for.
Result<void> check(const Settings& settings, const std::string& provider, const Address& address,
                   bool token_file) {
  const auto wrong = [&](const std::string& what, std::string hint) {
    return failed(settings, provider, ErrorCode::bad_config, address.variable + (" " + what),
                  std::move(hint));
  };
  const std::string_view url = address.url;
  const bool clean = std::all_of(url.begin(), url.end(), [](char c) { return c > 0x20 && c < 0x7F; });
  const auto scheme = url.substr(0, url.find("://"));
  const bool plain = scheme == "http";
  if (!clean || (!plain && scheme != "https") || url.find_first_of("@\\#") != std::string_view::npos)
    return wrong("is no http:// or https:// address without user and fragment", "Correct the variable");
  auto authority = url.substr(scheme.size() + 3);
  authority = authority.substr(0, authority.find_first_of("/?"));
  const auto host = split_authority(authority).host;
  if (host.empty()) return wrong("names no host", "Correct the variable");
  const bool near =
      is_loopback_literal(host) || std::find(near_hosts.begin(), near_hosts.end(), host) != near_hosts.end();
  if (near || (!plain && !token_file)) return {};
  if (token_file) {
    return wrong(
        "is " + host_of_url(url) + ", which gets no token out of a file",
        "Use a loopback address, 169.254.170.2, 169.254.170.23 or [fd00:ec2::23]; a token for another host "
        "goes into AWS_CONTAINER_AUTHORIZATION_TOKEN");
  }
  return wrong("is plain http to " + host_of_url(url) + ", which is not asked for keys",
               "Use https://, a loopback address, 169.254.170.2, 169.254.170.23 or [fd00:ec2::23]");
}

Result<std::optional<Address>> configured(Inquiry& ask) {
  auto relative = ask.text("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI");
  if (!relative) return std::move(relative).error();
  // Without its slash it would be the end of a host's name.
  if (!relative->empty()) {
    const bool whole = relative->front() == '/';
    return std::optional{
        Address{whole ? std::string{ecs_address} + *relative : "", "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"}};
  }
  auto full = ask.text("AWS_CONTAINER_CREDENTIALS_FULL_URI");
  if (!full) return std::move(full).error();
  if (full->empty()) return std::optional<Address>{};
  return std::optional{Address{std::move(*full), "AWS_CONTAINER_CREDENTIALS_FULL_URI"}};
}

/// Empty: none is configured.
Result<Secret> token_of(Inquiry& ask, const Settings& settings, const std::string& provider,
                        const std::string& path) {
  Secret token;
  std::string said_by = "AWS_CONTAINER_AUTHORIZATION_TOKEN";
  if (!path.empty()) {
    if (!path.starts_with('/')) {
      return failed(settings, provider, ErrorCode::bad_config,
                    "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE is no absolute path", "Write it from / on");
    }
    said_by = path;
    auto content = ask.file({path, limits::login_body_bytes_max, FileTrust::any});
    if (!content) {
      auto error = std::move(content).error();
      error.what = path + " " + error.what;
      return failed(settings, provider, std::move(error));
    }
    token = (*content)->clone();
    if (token.empty())
      return failed(settings, provider, ErrorCode::retry_later, said_by + " is empty",
                    "Check what writes it");
  } else if (const auto* value = ask.variable(said_by); value != nullptr) {
    token = value->clone();
  }
  const auto text = token.reveal();
  const bool whole = std::all_of(text.begin(), text.end(),
                                 [](char c) { return static_cast<unsigned char>(c) >= 0x20 && c != 0x7F; });
  if (whole) return token;
  return failed(settings, provider, ErrorCode::bad_config,
                said_by + " holds a line break or another control character, which no header may",
                "Write the token without a line break at its end");
}

Error refused(const Settings& settings, const std::string& provider, const WebReply& reply) {
  const auto code = shown_code(reply.root()["code"].text().empty() ? reply.root()["Code"].text()
                                                                   : reply.root()["code"].text());
  const auto what =
      "it answers with " + (code.empty() ? "" : code + ", ") + "status " + std::to_string(reply.status);
  if (reply.status == 400 || reply.status == 401 || reply.status == 403 || reply.status == 404)
    return failed(settings, provider, ErrorCode::denied, what,
                  "Check that a role is given to this task or service account, and its token's audience");
  return failed(settings, provider, ErrorCode::retry_later, what);
}

}  // namespace

Offer container_keys(Inquiry& ask, const Settings& settings, Search& search) {
  const std::string provider = "container";
  auto address = configured(ask);
  if (!address) return failed(settings, provider, std::move(address).error());
  if (!*address) {
    return nothing(
        search, provider,
        "neither AWS_CONTAINER_CREDENTIALS_RELATIVE_URI nor AWS_CONTAINER_CREDENTIALS_FULL_URI is set");
  }
  auto path = ask.text("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE");
  if (!path) return failed(settings, provider, std::move(path).error());
  if (auto checked = check(settings, provider, **address, !path->empty()); !checked)
    return std::move(checked).error();
  auto token = token_of(ask, settings, provider, *path);
  if (!token) return std::move(token).error();
  const auto& url = (*address)->url;
  const auto make = [&](Moment) {
    HttpRequest request{"GET", url};
    request.headers.push_back(web_header("Accept", "application/json"));
    if (!token->empty()) request.headers.push_back({"Authorization", token->clone()});
    request.plain_http_allowed = url.starts_with("http://");
    if (!request.plain_http_allowed) request.ca_file = settings.ca_bundle;
    request.deadline = request_deadline;
    return request;
  };
  RetryRule rule;
  rule.first = rule.cap = std::chrono::seconds{1};
  // A refusal is one at the second time, too; 429 is among the rule's statuses.
  rule.also = [](const WebReply& reply) {
    const bool refusal = reply.status >= 400 && reply.status < 500;
    return !refusal && (reply.status != 200 || !reply.json);
  };
  auto reply = ask_web(ask, make, rule, settings.where);
  if (!reply) return failed(settings, provider, std::move(reply).error());
  if (reply->status != 200) return refused(settings, provider, *reply);
  if (!reply->root().is_object())
    return failed(settings, provider, ErrorCode::invalid_message, "it answers with what is no JSON object");
  auto keys = keys_of(reply->root(), {}, ask.now(), settings, provider);
  if (!keys) return std::move(keys).error();
  return std::optional{std::move(*keys)};
}

}  // namespace sallyport::secrets::aws
