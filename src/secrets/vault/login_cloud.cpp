// Logging in with what a cloud says of the machine: Google's and Azure's metadata services, over plain http at their
// literal link-local addresses (threat 12).
//
// The variables that move a metadata service are the vendors' own, for emulators: they may name another link-local
// address, or with insecure_reason= a loopback one, and nothing else.
#include "dsn/percent.h"
#include "secrets/json_writer.h"
#include "secrets/literal_host.h"
#include "secrets/vault/login.h"
#include "secrets/vault/meaning.h"
#include "secrets/vault/token.h"
#include "secrets/web.h"

#include <algorithm>

namespace sallyport::secrets::vault {

namespace {

constexpr std::string_view usual_address = "169.254.169.254";
constexpr std::string_view azure_default_resource = "https://management.azure.com/";

/// "http://169.254.169.254:80", unless the vendor's variable says another.
Result<std::string> metadata_root(Inquiry& ask, const State& state, const char* variable) {
  auto text = ask.text(variable);
  if (!text) return std::move(text).error();
  if (text->empty()) return "http://" + std::string{usual_address};
  const auto url = text->find("://") == std::string::npos ? "http://" + *text : *text;
  auto address = parse_address(url, variable);
  const bool loopback =
      address && is_loopback_literal(address->host) && !state.options.insecure_reason.empty();
  if (!address || address->https || !(is_link_local_literal(address->host) || loopback)) {
    return wrong_at(ErrorCode::bad_config, state,
                    std::string{variable} + " names no metadata service of a machine",
                    "Unset it, or write 169.254.169.254; a loopback address only with insecure_reason=…");
  }
  return to_string(*address);
}

HttpRequest metadata_request(std::string url, std::string_view header, std::string_view value) {
  HttpRequest request;
  request.url = std::move(url);
  request.plain_http_allowed = true;  // the client itself refuses all but link-local and loopback
  request.deadline = std::chrono::seconds{3};
  request.headers.push_back(web_header(header, value));
  return request;
}

Error no_metadata(const State& state, const Error& error, std::string_view cloud) {
  auto out = error;
  out.what = "the metadata service of " + std::string{cloud} + " does not answer: " + error.what;
  out.hint = "This login is for machines of " + std::string{cloud} + " only";
  out.hop = Hop::secret_source;
  out.where = state.where();
  return out;
}

Error refused(const State& state, const WebReply& reply, std::string_view cloud, std::string hint) {
  const auto code = reply.status >= 500 || reply.status == 429 ? ErrorCode::retry_later : ErrorCode::denied;
  return wrong_at(code, state,
                  "the metadata service of " + std::string{cloud} + " gives no token (status " +
                      std::to_string(reply.status) + ")",
                  std::move(hint));
}

void copy_text(JsonWriter& body, std::string_view name, JsonView value) {
  if (!value.text().empty()) body.text(name, value.text());
}

}  // namespace

/// An identity token of the machine's service account, made for this role.
Result<Login> gather_gcp(Inquiry& ask, const State& state) {
  auto root = metadata_root(ask, state, "GCE_METADATA_HOST");
  if (!root) return std::move(root).error();
  const auto& role = state.options.role;
  const auto url = *root +
                   "/computeMetadata/v1/instance/service-accounts/default/identity?audience=vault%2F" +
                   dsn::percent_encode(role, "") + "&format=full";
  auto reply = ask_web(
      ask, [&](Moment) { return metadata_request(url, "Metadata-Flavor", "Google"); }, {}, state.where());
  if (!reply) return no_metadata(state, reply.error(), "Google Cloud");
  if (!reply->success()) {
    return refused(state, *reply, "Google Cloud", "Give the machine a service account");
  }
  if (reply->header("metadata-flavor") != "Google") {
    return wrong_at(ErrorCode::peer_misbehaved, state, "what answers as metadata service is not Google's",
                    "Look for a proxy in its place");
  }
  const auto token = trimmed_token(reply->http->body);
  if (!token)
    return wrong_at(ErrorCode::peer_misbehaved, state, "the metadata service's answer is no token", {});
  JsonWriter body;
  body.text("role", role);
  body.text("jwt", token->reveal());
  return Login{login_path(state.options), body.finish(), {}, {}, {}};
}

/// A token of the machine's managed identity, and which machine it is: Vault asks Azure whether both belong together.
Result<Login> gather_azure(Inquiry& ask, const State& state) {
  const auto& options = state.options;
  auto root = metadata_root(ask, state, "AZURE_POD_IDENTITY_AUTHORITY_HOST");
  if (!root) return std::move(root).error();
  RetryRule rule;
  rule.statuses = {404, 410, 429, 500, 502, 503, 504};
  const auto get = [&](const std::string& path, const RetryRule& retried) {
    return ask_web(
        ask, [&](Moment) { return metadata_request(*root + path, "Metadata", "true"); }, retried,
        state.where());
  };
  const auto resource = options.resource.empty() ? std::string{azure_default_resource} : options.resource;
  auto token_path =
      "/metadata/identity/oauth2/token?api-version=2018-02-01&resource=" + dsn::percent_encode(resource, "");
  if (!options.client_id.empty()) token_path += "&client_id=" + dsn::percent_encode(options.client_id, "");
  auto reply = get(token_path, rule);
  if (!reply) return no_metadata(state, reply.error(), "Azure");
  const auto token = trimmed_token(Secret::copy_of(reply->root()["access_token"].text()));
  if (!reply->success() || !token) {
    return refused(state, *reply, "Azure",
                   "Give the machine a managed identity; of several, choose: client_id=…");
  }
  JsonWriter body;
  body.text("role", options.role);
  body.text("jwt", token->reveal());
  // Where there is no machine (App Service, containers), the role is bound to the identity alone.
  auto machine = get("/metadata/instance/compute?api-version=2021-02-01", {});
  if (!machine) return no_metadata(state, machine.error(), "Azure");
  if (machine->success()) {
    const auto compute = machine->root();
    copy_text(body, "subscription_id", compute["subscriptionId"]);
    copy_text(body, "resource_group_name", compute["resourceGroupName"]);
    // A machine of a scale set is known by the set alone.
    const bool of_set = !compute["vmScaleSetName"].text().empty();
    copy_text(body, of_set ? "vmss_name" : "vm_name", compute[of_set ? "vmScaleSetName" : "name"]);
  }
  return Login{login_path(options), body.finish(), {}, {}, {}};
}

}  // namespace sallyport::secrets::vault
