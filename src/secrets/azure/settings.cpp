#include "secrets/azure/settings.h"

#include "base/ascii.h"
#include "secrets/attributes.h"
#include "secrets/azure/endpoint.h"
#include "secrets/literal_host.h"
#include "secrets/nearest.h"

#include <algorithm>
#include <array>
#include <span>

namespace sallyport::secrets::azure {

namespace {

constexpr std::size_t id_bytes_max = 255;

struct Named {
  std::string_view name;  ///< of the SDKs, in lower case
  std::vector<Provider> providers;
};

const std::vector<Named>& names() {
  using enum Provider;
  static const std::vector<Named> all{
      {"prod", {environment, workload, managed}}, {"dev", {cli}},
      {"environmentcredential", {environment}},   {"workloadidentitycredential", {workload}},
      {"managedidentitycredential", {managed}},   {"azureclicredential", {cli}},
  };
  return all;
}

/// Of the SDKs; each needs a tool or a person that is not here.
constexpr std::array<std::string_view, 5> others{"visualstudiocodecredential", "azuredeveloperclicredential",
                                                 "azurepowershellcredential", "interactivebrowsercredential",
                                                 "brokercredential"};

/// A tenant (a GUID or a domain) and an id stand in URLs, where `..` leads elsewhere, and in an argument of `az`.
bool is_id(std::string_view text) {
  return !text.empty() && text.size() <= id_bytes_max && text.front() != '-' && text.front() != '.' &&
         text.find("..") == std::string_view::npos && std::all_of(text.begin(), text.end(), [](char c) {
           return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
                  c == '.' || c == '_';
         });
}

/// "/subscriptions/…/userAssignedIdentities/NAME".
bool is_resource_id(std::string_view text) {
  return text.starts_with('/') && text.size() <= 1024 && std::all_of(text.begin(), text.end(), [](char c) {
           return c > 0x20 && c < 0x7F && c != '&' && c != '?' && c != '#' && c != '%';
         });
}

bool is_path(std::string_view text) {
  return text.starts_with('/') && (std::string{text} + "/").find("/../") == std::string::npos;
}

Error wrong_variable(const std::string& name, std::string what, std::string hint) {
  return {ErrorCode::bad_config, Hop::environment, name, std::move(what), std::move(hint), {}};
}

Error unknown_credential(std::string_view value, const std::string& said_by, bool attribute) {
  const auto known =
      "Known are prod, dev, EnvironmentCredential, WorkloadIdentityCredential, "
      "ManagedIdentityCredential and AzureCliCredential";
  const bool another = std::find(others.begin(), others.end(), to_lower(value)) != others.end();
  const std::string what = another ? "names a credential that only the SDKs have" : "names no credential";
  return attribute ? wrong_attribute(said_by, what, known) : wrong_variable(said_by, what, known);
}

Result<void> choose_providers(const std::string& value, const std::string& said_by, bool attribute,
                              Settings& settings) {
  using enum Provider;
  settings.providers = {environment, workload, managed, cli};
  if (value.empty()) return {};
  const auto wanted = to_lower(value);
  const auto found =
      std::find_if(names().begin(), names().end(), [&](const Named& one) { return one.name == wanted; });
  if (found == names().end()) return unknown_credential(value, said_by, attribute);
  settings.providers = found->providers;
  settings.chosen_by = said_by + "=" + value;
  return {};
}

/// An attribute, or else the variable.
Result<std::string> either(Inquiry& ask, const std::string& attribute, const char* variable) {
  auto text = ask.text(variable);
  if (!attribute.empty()) return attribute;
  return text;
}

Result<void> read_authority(Inquiry& ask, const Choice& choice, Settings& settings) {
  auto text = either(ask, choice.authority, "AZURE_AUTHORITY_HOST");
  if (!text) return std::move(text).error();
  const auto& home = choice.cloud != nullptr ? *choice.cloud : public_cloud();
  if (text->empty()) *text = home.authority;
  if (text->find("://") == std::string::npos) *text = "https://" + *text;
  while (text->ends_with('/')) text->pop_back();
  auto endpoint = parse_endpoint(*text);
  const std::string said_by = choice.authority.empty() ? "AZURE_AUTHORITY_HOST" : "attribute authority";
  if (!endpoint || !endpoint->path.empty()) {
    return wrong_variable(said_by, "is no https:// address of an authority",
                          "Write for example https://login.microsoftonline.com");
  }
  if (!endpoint->https && !(choice.plain_loopback && is_loopback_literal(endpoint->host))) {
    return wrong_variable(
        said_by, "is plain http to " + endpoint->host + ", to which no secret is sent",
        "Use https://; a test's authority on 127.0.0.1 needs insecure_reason= in the reference");
  }
  settings.authority = std::move(*text);
  settings.cloud = choice.cloud;
  if (settings.cloud == nullptr) settings.cloud = cloud_of_authority(endpoint->host);
  if (settings.cloud == nullptr) settings.cloud = &public_cloud();
  return {};
}

}  // namespace

Result<Choice> choice_of(const Reference& reference, std::string where) {
  Choice out;
  out.where = std::move(where);
  for (const auto& [name, to] : {std::pair{"tenant", &out.tenant}, std::pair{"client_id", &out.client_id},
                                 std::pair{"object_id", &out.object_id}}) {
    *to = attribute_of(reference, name);
    if (!to->empty() && !is_id(*to))
      return wrong_attribute(name, "is no id", "Write a GUID such as 11111111-2222-3333-4444-555555555555");
  }
  out.resource_id = attribute_of(reference, "msi_res_id");
  if (!out.resource_id.empty() && !is_resource_id(out.resource_id)) {
    return wrong_attribute("msi_res_id", "is no resource id",
                           "Write /subscriptions/…/resourceGroups/…/providers/Microsoft.ManagedIdentity/"
                           "userAssignedIdentities/NAME, as `az identity show --query id` prints it");
  }
  const int ids =
      (out.client_id.empty() ? 0 : 1) + (out.object_id.empty() ? 0 : 1) + (out.resource_id.empty() ? 0 : 1);
  if (ids > 1)
    return wrong_attribute("client_id", "an identity is chosen by one of client_id, object_id and msi_res_id",
                           "Leave one of them");
  for (const auto& [name, to] : {std::pair{"ca_file", &out.ca_file}, std::pair{"az_path", &out.az_path}}) {
    *to = attribute_of(reference, name);
    if (!to->empty() && !is_path(*to))
      return wrong_attribute(name, "no absolute path, or one with ..", "Write an absolute path");
  }
  out.authority = attribute_of(reference, "authority");
  out.credential = attribute_of(reference, "credential");
  out.plain_loopback = !attribute_of(reference, "insecure_reason").empty();
  Settings unused;
  if (auto known = choose_providers(out.credential, "credential", true, unused); !known)
    return std::move(known).error();
  return out;
}

bool Settings::has(Provider provider) const {
  return std::find(providers.begin(), providers.end(), provider) != providers.end();
}

Result<Settings> read_settings(Inquiry& ask, const Choice& choice) {
  Settings out;
  out.where = choice.where;
  out.object_id = choice.object_id;
  out.resource_id = choice.resource_id;
  out.az_path = choice.az_path;
  out.plain_loopback = choice.plain_loopback;
  auto tenant = either(ask, choice.tenant, "AZURE_TENANT_ID");
  if (!tenant) return std::move(tenant).error();
  out.tenant = std::move(*tenant);
  auto client = either(ask, choice.client_id, "AZURE_CLIENT_ID");
  if (!client) return std::move(client).error();
  out.client_id = std::move(*client);
  for (const auto& [name, value] :
       {std::pair{"AZURE_TENANT_ID", &out.tenant}, std::pair{"AZURE_CLIENT_ID", &out.client_id}}) {
    if (!value->empty() && !is_id(*value))
      return wrong_variable(name, "is no id", "Write a GUID such as 11111111-2222-3333-4444-555555555555");
  }
  if (auto read = read_authority(ask, choice, out); !read) return std::move(read).error();
  auto bundle = either(ask, choice.ca_file, "REQUESTS_CA_BUNDLE");
  if (!bundle) return std::move(bundle).error();
  out.ca_file = std::move(*bundle);
  auto chosen = either(ask, choice.credential, "AZURE_TOKEN_CREDENTIALS");
  if (!chosen) return std::move(chosen).error();
  const bool attribute = !choice.credential.empty();
  if (auto known =
          choose_providers(*chosen, attribute ? "credential" : "AZURE_TOKEN_CREDENTIALS", attribute, out);
      !known)
    return std::move(known).error();
  return out;
}

std::string database_scope(const Cloud& cloud) {
  return "https://ossrdbms-aad." + std::string{cloud.databases} + "/.default";
}

std::string resource_of(std::string_view scope) {
  constexpr std::string_view suffix = "/.default";
  if (scope.ends_with(suffix)) scope.remove_suffix(suffix.size());
  return std::string{scope};
}

}  // namespace sallyport::secrets::azure
