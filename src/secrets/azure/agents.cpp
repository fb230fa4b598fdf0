// App Service (with Functions and Container Apps), Azure Machine Learning and Cloud Shell: an address in the environment that
// answers with a token. It is configured when it is set, so its failure ends the search.
#include "secrets/azure/endpoint.h"
#include "secrets/azure/provider.h"

namespace sallyport::secrets::azure {

namespace {

constexpr auto request_deadline = std::chrono::seconds{10};

HttpRequest request_to(const std::string& url, const Settings& settings) {
  HttpRequest request{"GET", url};
  request.plain_http_allowed = url.starts_with("http://");
  if (!request.plain_http_allowed) request.ca_file = settings.ca_file;
  request.deadline = request_deadline;
  request.headers.push_back(web_header("Metadata", "true"));
  request.headers.push_back(web_header("Accept", "application/json"));
  return request;
}

RetryRule rule_for(const Search& search) {
  RetryRule rule;
  rule.tries = search.patient ? 4 : 2;
  rule.first = std::chrono::milliseconds{800};
  rule.statuses = {408, 429, 500, 502, 503, 504};
  return rule;
}

bool is_passing(int status) { return status == 408 || status == 429 || status >= 500; }

/// "invalid_request" of OAuth, "InvalidResource" of others; empty: none that may be shown.
std::string code_of(JsonView root) {
  auto code = shown_code(root["error"].text());
  if (code.empty()) code = shown_code(root["error"]["code"].text());
  return code;
}

Error refused(const WebReply& reply, const Settings& settings, Search& search, const std::string& name) {
  const auto code = code_of(reply.root());
  const auto what =
      "it answers with " + (code.empty() ? "" : code + ", ") + "status " + std::to_string(reply.status);
  if (is_passing(reply.status)) return failed(settings, search, name, ErrorCode::retry_later, what);
  const bool chosen = !selector(settings, "id").empty();
  return failed(
      settings, search, name, ErrorCode::denied, what,
      chosen ? "Check that the identity that is chosen (client_id=, AZURE_CLIENT_ID, …) is assigned here"
             : "Assign a managed identity: az webapp identity assign, az containerapp identity assign");
}

Offer answered(Inquiry& ask, const Result<WebReply>& reply, const Settings& settings, Search& search,
               const std::string& name, const std::string& address) {
  if (!reply) return failed(settings, search, name, reply.error());
  if (!reply->success()) return refused(*reply, settings, search, name);
  return managed_reply(ask, *reply, settings, search, name, parse_endpoint(address)->origin());
}

}  // namespace

Offer app_service_token(Inquiry& ask, const Settings& settings, const std::string& scope, Search& search,
                        const std::string& address, const Secret& header) {
  const std::string name = "managed identity (App Service)";
  if (auto checked = check_agent(address, "IDENTITY_ENDPOINT"); !checked)
    return failed(settings, search, name, std::move(checked).error());
  const auto url = address + "?api-version=2019-08-01&resource=" + in_query(resource_of(scope)) +
                   selector(settings, "mi_res_id");
  const auto make = [&](Moment) {
    auto request = request_to(url, settings);
    request.headers.push_back({"X-IDENTITY-HEADER", header.clone()});
    return request;
  };
  return answered(ask, ask_web(ask, make, rule_for(search), settings.where), settings, search, name, address);
}

Offer cloud_shell_token(Inquiry& ask, const Settings& settings, const std::string& scope, Search& search,
                        const std::string& address, const Secret* secret) {
  const std::string name =
      secret != nullptr ? "managed identity (Machine Learning)" : "managed identity (Cloud Shell)";
  if (auto checked = check_agent(address, "MSI_ENDPOINT"); !checked)
    return failed(settings, search, name, std::move(checked).error());
  const bool user_chosen = !settings.object_id.empty() || !settings.resource_id.empty();
  if (user_chosen) {
    return failed(settings, search, name, ErrorCode::bad_config,
                  "it cannot choose an identity by object_id= or msi_res_id=", "Leave the attribute out");
  }
  const auto make = [&](Moment) {
    if (secret != nullptr) {
      // A form of its own: the id's name has no underscore there.
      auto request = request_to(address + "?api-version=2017-09-01&resource=" + in_query(resource_of(scope)) +
                                    (settings.client_id.empty() ? "" : "&clientid=" + settings.client_id),
                                settings);
      request.headers.push_back({"secret", secret->clone()});
      return request;
    }
    auto request = request_to(address, settings);
    request.method = "POST";
    FormWriter form;
    form.field("resource", resource_of(scope));
    request.body = form.finish();
    request.headers.push_back(web_header("Content-Type", "application/x-www-form-urlencoded"));
    return request;
  };
  return answered(ask, ask_web(ask, make, rule_for(search), settings.where), settings, search, name, address);
}

}  // namespace sallyport::secrets::azure
