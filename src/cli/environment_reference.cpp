#include "cli/environment_reference.h"

#include "policy/tls_policy.h"
#include "secrets/attributes.h"
#include "secrets/azure/clouds.h"
#include "secrets/reference.h"

#include <algorithm>
#include <array>

namespace sallyport::cli {

namespace {

/// Beside those that weaken a source: what weakens the target's checks, and where a token may follow a redirect.
constexpr std::array<std::string_view, 5> weakening_here{"tls_reason", "tls_until", "login_methods",
                                                         "login_reason", "redirect_to"};

template <class List>
bool holds(const List& list, std::string_view name) {
  return std::find(list.begin(), list.end(), name) != list.end();
}

bool weakens(std::string_view name, std::string_view value) {
  if (value.empty()) return false;
  if (name == "sslmode") {
    const auto mode = parse_tls_mode(value);  // what is no mode is refused by whoever builds the target
    return mode && *mode != TlsMode::verify_full;
  }
  if (name.starts_with("allow_") && value == "false") return false;
  return holds(secrets::weakening_attributes, name) || holds(weakening_here, name);
}

/// An endpoint, the authorities that vouch for one, a program, or another token for it.
bool chooses_receiver(std::string_view scheme, std::string_view name) {
  if (scheme == "k8s") return name == "server" || name == "token_file" || name == "ca_file";
  if (scheme.starts_with("azure-")) {
    return name == "authority" || name == "vault_url" || name == "ca_file" || name == "az_path";
  }
  if (scheme.starts_with("gcp-")) return name == "endpoint";
  if (scheme == "vault" && name == "resource") return true;  // of auth=azure: a token for anything
  return name == "addr";
}

Error refused(const std::string& variable, std::string what) {
  return {
      ErrorCode::bad_config,
      Hop::config,
      variable,
      std::move(what),
      "Say it on the command line: -e " + variable + "='…', or as TARGET of connect; or in sallyport.yaml",
      {}};
}

/// Entra's and Google's tokens are good for all databases that the identity may use, and who gets one can use it there, so
/// they go to the cloud's own servers. (A token of RDS is good for the host that it is sent to alone.)
Result<void> check_token_stays_in_its_cloud(const std::string& variable,
                                            const secrets::Reference& reference) {
  const bool entra = reference.scheme == "azure-entra";
  if (!entra && reference.scheme != "gcp-cloudsql-iam") return {};
  for (const auto* name : {"scope", "sslrootcert", "server_name"}) {
    if (reference.attributes.contains(name))
      return refused(variable, "the attribute " + std::string{name} +
                                   " chooses who gets our token, which the environment alone may not do");
  }
  if (!entra) {
    if (reference.attributes.contains("instance")) return {};
    return refused(variable,
                   "host= chooses who gets our token, which the environment alone may not do; instance= may "
                   "stand there");
  }
  const auto hosts = secrets::attribute_of(reference, "host");
  for (std::string_view rest = hosts; !rest.empty();) {
    const auto host = rest.substr(0, rest.find(','));
    rest.remove_prefix(std::min(host.size() + 1, rest.size()));
    if (!secrets::azure::is_database_host(host))
      return refused(
          variable,
          "the host is none of Azure's database servers; another one's getting our token is not for the "
          "environment alone to decide");
  }
  return {};
}

}  // namespace

Result<void> check_environment_reference(const std::string& variable, std::string_view text) {
  const auto reference = secrets::parse_reference(text);
  if (!reference) return reference.error();
  if (reference->scheme == "exec")
    return refused(variable, "names a program to run (exec:), which the environment alone may not decide");
  // The mode first: its reason is of no use without it.
  const auto mode = secrets::attribute_of(*reference, "sslmode");
  if (weakens("sslmode", mode))
    return refused(variable, "sslmode=" + mode + " weakens a check, which the environment alone may not do");
  for (const auto& [name, value] : reference->attributes) {
    if (chooses_receiver(reference->scheme, name)) {
      return refused(variable, "the attribute " + name +
                                   " chooses who gets our token, which the environment alone may not do");
    }
    if (name == "sign_host")
      return refused(
          variable,
          "the attribute sign_host has another host given a token than the one it is good for, which the "
          "environment alone may not do");
    if (!weakens(name, value)) continue;
    return refused(variable,
                   "the attribute " + name + " weakens a check, which the environment alone may not do");
  }
  return check_token_stays_in_its_cloud(variable, *reference);
}

}  // namespace sallyport::cli
