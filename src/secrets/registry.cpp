// The explicit list of sources. Adding one is its folder and a line here.
#include "secrets/aws/aws.h"
#include "secrets/azure/azure.h"
#include "secrets/gcp/gcp.h"
#include "secrets/kubernetes/kubernetes.h"
#include "secrets/local/local.h"
#include "secrets/source.h"
#include "secrets/vault/vault.h"

#include <algorithm>

namespace sallyport::secrets {

void Registry::add(std::unique_ptr<Source> source) { sources_.push_back(std::move(source)); }

const Source* Registry::find(std::string_view scheme) const {
  const auto found = std::find_if(sources_.begin(), sources_.end(),
                                  [&](const auto& source) { return source->scheme() == scheme; });
  return found == sources_.end() ? nullptr : found->get();
}

std::vector<const Source*> Registry::all() const {
  std::vector<const Source*> out;
  for (const auto& source : sources_) out.push_back(source.get());
  return out;
}

Registry register_all(const SourceSettings& settings) {
  Registry registry;
  registry.add(vault_source(settings));
  registry.add(file_source());
  registry.add(env_source());
  registry.add(systemd_source());
  registry.add(exec_source());
  registry.add(aws_rds_source());
  registry.add(aws_secrets_manager_source());
  registry.add(aws_parameter_source());
  registry.add(gcp_secret_manager_source());
  registry.add(gcp_cloudsql_source());
  registry.add(kubernetes_source());
  registry.add(azure_vault_source());
  registry.add(azure_entra_source());
  return registry;
}

}  // namespace sallyport::secrets
