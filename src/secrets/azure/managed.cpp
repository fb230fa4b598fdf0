// Managed identity: which of Azure's agents is here, by the variables that each of them sets, and what their replies have in
// common. Without any variable it is the metadata service of the virtual machine.
#include "crypto/hash.h"
#include "secrets/azure/endpoint.h"
#include "secrets/azure/provider.h"

namespace sallyport::secrets::azure {

namespace {

constexpr std::string_view provider = "managed identity";

struct Agents {
  std::string identity_endpoint, imds_endpoint, msi_endpoint;
  const Secret* identity_header = nullptr;
  const Secret* msi_secret = nullptr;
  bool service_fabric = false;
};

Result<Agents> read_agents(Inquiry& ask) {
  Agents out;
  for (const auto& [name, to] :
       {std::pair{"IDENTITY_ENDPOINT", &out.identity_endpoint},
        std::pair{"IMDS_ENDPOINT", &out.imds_endpoint}, std::pair{"MSI_ENDPOINT", &out.msi_endpoint}}) {
    auto text = ask.text(name);
    if (!text) return std::move(text).error();
    *to = std::move(*text);
  }
  out.identity_header = ask.variable("IDENTITY_HEADER");
  out.msi_secret = ask.variable("MSI_SECRET");
  out.service_fabric = ask.variable("IDENTITY_SERVER_THUMBPRINT") != nullptr;
  return out;
}

}  // namespace

std::string in_query(std::string_view text) {
  static constexpr std::string_view digits = "0123456789ABCDEF";
  std::string out;
  for (const char c : text) {
    const bool kept = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                      c == '-' || c == '.' || c == '_' || c == '~';
    const auto byte = static_cast<unsigned char>(c);
    if (kept) {
      out.push_back(c);
    } else {
      out.push_back('%');
      out.push_back(digits[byte >> 4U]);
      out.push_back(digits[byte & 15U]);
    }
  }
  return out;
}

std::string selector(const Settings& settings, std::string_view resource_id_name) {
  if (!settings.resource_id.empty())
    return "&" + std::string{resource_id_name} + "=" + in_query(settings.resource_id);
  if (!settings.object_id.empty()) return "&object_id=" + in_query(settings.object_id);
  if (!settings.client_id.empty()) return "&client_id=" + in_query(settings.client_id);
  return {};
}

Result<void> check_agent(const std::string& address, const std::string& variable) {
  const auto endpoint = parse_endpoint(address);
  if (endpoint && (endpoint->https || endpoint->is_on_this_machine())) return {};
  const auto what = endpoint
                        ? "is plain http to " + endpoint->host + ", of which no token is asked"
                        : std::string{"is no http:// or https:// address without user, query and fragment"};
  return Error{
      ErrorCode::bad_config,
      Hop::environment,
      variable,
      variable + " " + what,
      "Azure sets it to an address of this machine (localhost, 127.0.0.1, 169.254.…): do not change it",
      {}};
}

Offer managed_reply(Inquiry& ask, const WebReply& reply, const Settings& settings, Search& search,
                    const std::string& name, const std::string& origin) {
  if (!reply.json)
    return failed(settings, search, name, ErrorCode::invalid_message, "it answers with what is no JSON",
                  "Check that no proxy answers in its place");
  auto token = token_of(reply.root(), "access_token", ExpiryFrom::absolute, ask.now(), counted_skew(reply));
  if (!token) return failed(settings, search, name, std::move(token).error());
  return std::optional{named(std::move(*token), Provider::managed, name, origin)};
}

Offer managed_token(Inquiry& ask, const Settings& settings, const std::string& scope, Search& search) {
  auto agents = read_agents(ask);
  if (!agents) return failed(settings, search, provider, std::move(agents).error());
  if (!agents->identity_endpoint.empty()) {
    if (agents->identity_header != nullptr) {
      if (agents->service_fabric) {
        return failed(settings, search, provider, ErrorCode::peer_unsupported,
                      "Service Fabric (IDENTITY_SERVER_THUMBPRINT) is not supported",
                      "Use a service principal: AZURE_TENANT_ID, AZURE_CLIENT_ID, AZURE_CLIENT_SECRET");
      }
      return app_service_token(ask, settings, scope, search, agents->identity_endpoint,
                               *agents->identity_header);
    }
    if (!agents->imds_endpoint.empty())
      return arc_token(ask, settings, scope, search, agents->identity_endpoint);
  }
  if (!agents->msi_endpoint.empty())
    return cloud_shell_token(ask, settings, scope, search, agents->msi_endpoint, agents->msi_secret);
  return imds_token(ask, settings, scope, search);
}

}  // namespace sallyport::secrets::azure
