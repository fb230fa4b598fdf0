#include "cli/environment_reference.h"

#include "policy/tls_policy.h"
#include "secrets/attributes.h"
#include "secrets/azure/clouds.h"
#include "secrets/reference.h"
#include "secrets/source.h"

#include <algorithm>

namespace sallyport::cli {

namespace {

bool weakens_a_mode(const std::string& mode) {
  if (mode.empty()) return false;
  const auto parsed = parse_tls_mode(mode);  // what is no mode is refused by whoever builds the target
  return parsed && *parsed != TlsMode::verify_full;
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
  for (const auto* name : {"sslrootcert", "server_name"}) {
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
  if (weakens_a_mode(mode))
    return refused(variable, "sslmode=" + mode + " weakens a check, which the environment alone may not do");
  const auto sources = secrets::register_all();
  const auto* source = sources.find(reference->scheme);
  if (source == nullptr) return {};  // not in this version, as whoever opens it says
  for (const auto& [name, value] : reference->attributes) {
    const auto effect = secrets::effect_of(name, source->attributes());
    if (effect == secrets::Effect::names_receiver)
      return refused(variable, "the attribute " + name +
                                   " chooses who gets our token, which the environment alone may not do");
    const bool said = !value.empty() && !(name.starts_with("allow_") && value == "false");
    if (effect == secrets::Effect::weakens && said)
      return refused(variable,
                     "the attribute " + name + " weakens a check, which the environment alone may not do");
  }
  return check_token_stays_in_its_cloud(variable, *reference);
}

}  // namespace sallyport::cli
