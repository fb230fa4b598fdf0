#include "secrets/schemes.h"

#include <algorithm>
#include <array>

namespace sallyport::secrets {

std::span<const Scheme> schemes() {
  static constexpr auto table = std::to_array<Scheme>({
      {"vault", LocatorKind::path, true, "vault:database/creds/app-role"},
      {"file", LocatorKind::absolute_path, true, "file:/run/secrets/db"},
      {"env", LocatorKind::name, true, "env:DB_PASSWORD"},
      {"systemd", LocatorKind::name, true, "systemd:db-password"},
      {"exec", LocatorKind::words, true, "exec:/usr/bin/pass show db"},
      {"aws-sm", LocatorKind::any_path, true, "aws-sm:prod/database/connection"},
      {"aws-ssm", LocatorKind::any_path, true, "aws-ssm:/prod/db/url"},
      {"gcp-sm", LocatorKind::path, true, "gcp-sm:projects/123/secrets/db/versions/latest"},
      {"azure-kv", LocatorKind::path, true, "azure-kv:my-vault/db-connection"},
      {"k8s", LocatorKind::path, true, "k8s:namespace/secret#key"},
      {"issuer", LocatorKind::path, false, "issuer:app-role"},
      {"aws-rds-iam", LocatorKind::nothing, true, "aws-rds-iam:"},
      {"gcp-cloudsql-iam", LocatorKind::nothing, true, "gcp-cloudsql-iam:"},
      {"azure-entra", LocatorKind::nothing, true, "azure-entra:"},
  });
  return table;
}

std::string list_of_schemes() {
  std::string list;
  for (const auto& scheme : schemes()) {
    if (!scheme.available) continue;
    if (!list.empty()) list += ", ";
    list += std::string{scheme.name} + ":";
  }
  return list;
}

const Scheme* find_scheme(std::string_view name) {
  const auto all = schemes();
  const auto found = std::find_if(all.begin(), all.end(), [&](const Scheme& s) { return s.name == name; });
  return found == all.end() ? nullptr : &*found;
}

}  // namespace sallyport::secrets
