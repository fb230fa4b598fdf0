// What the reference and the environment say of an Azure identity: read at the beginning of each fetch, because it costs
// nothing and the rest is built on it.
//
// The reference's attributes go before the environment: they are about this one target. Which of the SDKs' variables
// mean what is in docs/azure.md.
#pragma once

#include "secrets/attributes.h"
#include "secrets/azure/clouds.h"
#include "secrets/inquiry.h"
#include "secrets/reference.h"

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace sallyport::secrets::azure {

enum class Provider { environment, workload, managed, cli };

/// What a reference says; empty: nothing.
struct Choice {
  std::string where;  ///< where errors point: "azure-kv:my-vault/db"
  std::string tenant, client_id, object_id, resource_id;
  std::string credential;  ///< as AZURE_TOKEN_CREDENTIALS
  std::string authority;   ///< "https://login.example.com"
  std::string ca_file, az_path;
  bool plain_loopback = false;   ///< insecure_reason= is given: http to this machine may be a cloud
  const Cloud* cloud = nullptr;  ///< of the host that the token is for, where that says it
};

/// Attributes of all references that need an Azure identity.
inline constexpr auto identity_attributes = std::to_array<Attribute>({{"tenant", Effect::selects},
                                                                      {"client_id", Effect::selects},
                                                                      {"object_id", Effect::selects},
                                                                      {"msi_res_id", Effect::selects},
                                                                      {"credential", Effect::selects},
                                                                      {"authority", Effect::names_receiver},
                                                                      {"ca_file", Effect::names_receiver},
                                                                      {"az_path", Effect::names_receiver},
                                                                      {"insecure_reason", Effect::weakens}});

/// Errors  bad_config: what is no tenant, no id, no address, no path; several ids at once.
Result<Choice> choice_of(const Reference& reference, std::string where);

struct Settings {
  std::string where;
  std::string tenant;     ///< empty: not said
  std::string client_id;  ///< likewise
  std::string object_id, resource_id;
  std::string authority;  ///< "https://login.microsoftonline.com", without a slash at its end
  const Cloud* cloud = nullptr;
  std::string ca_file;  ///< empty: the system's
  std::string az_path;
  std::vector<Provider> providers;  ///< in their order
  std::string chosen_by;            ///< "AZURE_TOKEN_CREDENTIALS=prod"; empty: nobody chose
  bool plain_loopback = false;

  /// One provider and no other: its absence is an error, and no service is asked first whether it is there.
  [[nodiscard]] bool only(Provider provider) const {
    return providers.size() == 1 && providers.front() == provider;
  }
  [[nodiscard]] bool has(Provider provider) const;
};

Result<Settings> read_settings(Inquiry& ask, const Choice& choice);

/// "https://…/.default" of the databases of this cloud.
std::string database_scope(const Cloud& cloud);

/// "https://vault.azure.net/.default" as "https://vault.azure.net", which is what managed identities want to hear.
std::string resource_of(std::string_view scope);

}  // namespace sallyport::secrets::azure
