// EC2's instance metadata service: IMDSv2 with its session token, and version 1 only where version 2 is not there and
// nobody has forbidden it. It is asked last, because a machine that is none of EC2 costs two time-outs of a second.
//
// What answers nothing is not there, and the chain ends without keys. What answers badly is there, and its error is told.
// Source: botocore's InstanceMetadataFetcher.
#include "base/ascii.h"
#include "secrets/aws/provider.h"
#include "secrets/literal_host.h"
#include "secrets/web.h"

#include <algorithm>

namespace sallyport::secrets::aws {

namespace {

constexpr auto request_deadline = std::chrono::seconds{1};
constexpr std::string_view role_path = "/latest/meta-data/iam/security-credentials/";
constexpr std::size_t token_bytes_max = 1024;

/// Keys that are about to expire mean that the service cannot make new ones: they are used a while longer and asked for
/// again in 2 to 10 minutes.
constexpr auto extension_min = std::chrono::seconds{120};
constexpr auto extension_max = std::chrono::seconds{600};

constexpr const char* no_instance_fix =
    "If this is no EC2 instance, set AWS_PROFILE or keys, and AWS_EC2_METADATA_DISABLED=true; if it is, see "
    "its "
    "metadata options and what filters 169.254.169.254";

bool is_role_name(std::string_view name) {
  return !name.empty() && name.size() <= 64 && std::all_of(name.begin(), name.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           std::string_view{"+=,.@_-"}.find(c) != std::string_view::npos;
  });
}

/// The socket's own address is checked once more when it is connected.
bool is_metadata_address(std::string_view url) {
  if (!url.starts_with("http://")) return false;
  const auto authority = url.substr(7, url.find('/', 7) - 7);
  const auto [host, port] = split_authority(authority);
  const bool is_own_network = host.starts_with("[fd00:ec2::") &&
                              host.find_first_not_of("[]0123456789abcdef:") == std::string_view::npos;
  return (port.empty() || is_port(port)) &&
         (is_own_network || is_link_local_literal(host) || is_loopback_literal(host));
}

class Imds {
 public:
  Imds(Inquiry& ask, const Settings& settings, Search& search)
      : ask_(ask), settings_(settings), search_(search) {}

  Offer keys() {
    auto disabled = ask_.text("AWS_EC2_METADATA_DISABLED");
    if (!disabled) return failed(settings_, provider_, std::move(disabled).error());
    if (equal_but_for_case(*disabled, "true"))
      return nothing(search_, provider_, "AWS_EC2_METADATA_DISABLED forbids it");
    if (auto found = find_address(); !found) return std::move(found).error();
    auto v1 = setting("AWS_EC2_METADATA_V1_DISABLED", "ec2_metadata_v1_disabled");
    if (!v1) return std::move(v1).error();
    auto went_on = take_token(equal_but_for_case(*v1, "true"));
    if (!went_on) return std::move(went_on).error();
    if (!*went_on) return nothing(search_, provider_, absent_);
    auto role = role_name();
    if (!role) return std::move(role).error();
    if (role->empty()) return nothing(search_, provider_, absent_);
    auto keys = keys_of_role(*role);
    if (!keys) return std::move(keys).error();
    return std::optional{std::move(*keys)};
  }

 private:
  [[nodiscard]] Error wrong(ErrorCode code, std::string what, std::string hint = {}) const {
    return failed(settings_, provider_, code, std::move(what), std::move(hint));
  }

  Result<std::string> setting(const char* variable, const char* key) {
    auto value = ask_.text(variable);
    if (value && value->empty()) value = settings_.profiles->text(settings_.profile, key);
    if (!value) return failed(settings_, provider_, std::move(value).error());
    return value;
  }

  Result<void> find_address() {
    auto url = setting("AWS_EC2_METADATA_SERVICE_ENDPOINT", "ec2_metadata_service_endpoint");
    if (!url) return std::move(url).error();
    auto mode = setting("AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE", "ec2_metadata_service_endpoint_mode");
    if (!mode) return std::move(mode).error();
    const bool v6 = equal_but_for_case(*mode, "ipv6");
    if (!mode->empty() && !v6 && !equal_but_for_case(*mode, "ipv4"))
      return wrong(ErrorCode::bad_config, "AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE is neither IPv4 nor IPv6");
    address_ = !url->empty() ? *url : v6 ? "http://[fd00:ec2::254]" : "http://169.254.169.254";
    while (address_.ends_with('/')) address_.pop_back();
    if (is_metadata_address(address_)) return {};
    return wrong(ErrorCode::bad_config,
                 "AWS_EC2_METADATA_SERVICE_ENDPOINT is no http:// address of this machine or link",
                 "Write http:// and a literal address in 169.254.0.0/16, fd00:ec2::/32 or 127.0.0.0/8");
  }

  /// One attempt. Answers that are no HTTP are errors of the transport, as they come.
  Result<WebReply> send(const char* method, const std::string& path) {
    const auto make = [&](Moment) {
      HttpRequest request{method, address_ + path};
      const bool for_token = std::string_view{method} == "PUT";
      if (for_token) request.headers.push_back(web_header("x-aws-ec2-metadata-token-ttl-seconds", "21600"));
      if (!token_.empty()) request.headers.push_back({"x-aws-ec2-metadata-token", token_.clone()});
      request.plain_http_allowed = true;
      request.deadline = request_deadline;
      return request;
    };
    RetryRule once;
    once.tries = 1;
    return ask_web(ask_, make, once, settings_.where);
  }

  /// Whether somebody is there, with `token_` set unless it is version 1.
  Result<bool> take_token(bool v1_disabled) {
    auto reply = send("PUT", "/latest/api/token");
    std::string why;
    if (!reply) {
      auto error = std::move(reply).error();
      if (error.code == ErrorCode::retry_later) return absent("does not answer: " + error.what);
      if (error.code != ErrorCode::timed_out) return failed(settings_, provider_, std::move(error));
      search_.timed_out = true;
      why = "no token within a second";
    } else if (reply->status == 200) {
      const auto token = reply->http->body.reveal();
      const bool plain = !token.empty() && token.size() <= token_bytes_max &&
                         std::all_of(token.begin(), token.end(), [](char c) { return c > 0x20 && c < 0x7F; });
      if (!plain) return wrong(ErrorCode::invalid_message, "what it gives as its session token is none");
      token_ = Secret::copy_of(token);
      return true;
    } else if (reply->status == 403 || reply->status == 404 || reply->status == 405) {
      why = "it has no token for us, status " + std::to_string(reply->status);
    } else {
      const bool later = reply->status == 429 || reply->status >= 500;
      return wrong(later ? ErrorCode::retry_later : ErrorCode::denied,
                   "it refused a session token, status " + std::to_string(reply->status), no_instance_fix);
    }
    if (v1_disabled) return absent(why + ", and version 1 is disabled (AWS_EC2_METADATA_V1_DISABLED)");
    return true;
  }

  bool absent(std::string why) {
    absent_ = std::move(why);
    return false;
  }

  /// The role of the instance; empty: none, or nobody is there.
  Result<std::string> role_name() {
    auto reply = send("GET", std::string{role_path});
    if (!reply) {
      auto error = std::move(reply).error();
      const bool gone = error.code == ErrorCode::timed_out || error.code == ErrorCode::retry_later;
      if (token_.empty() && gone) {
        search_.timed_out = search_.timed_out || error.code == ErrorCode::timed_out;
        absent_ = "does not answer: " + error.what;
        return std::string{};
      }
      return failed(settings_, provider_, std::move(error));
    }
    if (reply->status == 404) {
      absent_ = "no role is attached to this instance (status 404)";
      return std::string{};
    }
    if (reply->status != 200) return refused(*reply);
    auto text = reply->http->body.reveal();
    text = text.substr(0, text.find_first_of("\r\n"));
    if (!is_role_name(text))
      return wrong(ErrorCode::invalid_message, "what it gives as the role's name is none");
    return std::string{text};
  }

  Result<Keys> keys_of_role(const std::string& role) {
    auto reply = send("GET", std::string{role_path} + role);
    if (!reply) return failed(settings_, provider_, std::move(reply).error());
    if (reply->status != 200) return refused(*reply);
    const auto code = reply->root()["Code"].text();
    if (!code.empty() && code != "Success") {
      const auto shown = shown_code(code);
      return wrong(ErrorCode::denied,
                   "it has no keys of the role " + role + (shown.empty() ? "" : ": " + shown),
                   "The role's trust policy must name ec2.amazonaws.com");
    }
    if (!reply->root().is_object())
      return wrong(ErrorCode::invalid_message, "it answers with what is no JSON object");
    // Expired keys are extended as well: the service they are for may be as unable to tell the time.
    const auto early = Moment{WallTime{}, {}};
    auto keys = keys_of(reply->root(), {}, early, settings_, provider_);
    if (keys) extend(*keys);
    return keys;
  }

  void extend(Keys& keys) const {
    const unsigned drawn = ask_.random()[60] * 256U + ask_.random()[61];
    const auto more = extension_min + (extension_max - extension_min) * drawn / 65'536;
    const auto reach = ask_.now().wall + advisory_window + more;
    if (keys.expires && *keys.expires <= reach) keys.expires = reach;
  }

  [[nodiscard]] Error refused(const WebReply& reply) const {
    const bool later = reply.status == 401 || reply.status == 429 || reply.status >= 500;
    const bool hops = token_.empty() && reply.status == 401;
    return wrong(later && !hops ? ErrorCode::retry_later : ErrorCode::denied,
                 "it answers with status " + std::to_string(reply.status),
                 hops ? "Inside a container the instance's hop limit must be 2: `aws ec2 "
                        "modify-instance-metadata-options "
                        "--http-put-response-hop-limit 2 --instance-id …`"
                      : no_instance_fix);
  }

  Inquiry& ask_;
  const Settings& settings_;
  Search& search_;
  const std::string provider_{instance_provider};
  std::string address_;
  Secret token_;
  std::string absent_;
};

}  // namespace

Offer instance_keys(Inquiry& ask, const Settings& settings, Search& search) {
  return Imds{ask, settings, search}.keys();
}

}  // namespace sallyport::secrets::aws
