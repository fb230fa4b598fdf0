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

/// Refuses with the same place and fix.
class Refusal {
 public:
  Refusal(const std::string& variable, const std::string& fix) : variable_(variable), fix_(fix) {}

  Error operator()(std::string what) const {
    return {ErrorCode::bad_config, Hop::config, variable_, std::move(what), fix_, {}};
  }

 private:
  const std::string& variable_;
  const std::string& fix_;
};

/// Entra's and Google's tokens are good for all databases that the identity may use, and who gets one can use it there, so
/// they go to the cloud's own servers. (A token of RDS is good for one host alone.)
Result<void> check_token_stays_in_its_cloud(const Refusal& refused, const secrets::Reference& reference) {
  const bool entra = reference.scheme == "azure-entra";
  if (!entra && reference.scheme != "gcp-cloudsql-iam") return {};
  if (!entra) {
    if (!secrets::attribute_of(reference, "instance").empty()) return {};
    return refused(
        "host= chooses who gets our token, which the environment alone may not do; instance= may "
        "stand there");
  }
  const auto hosts = secrets::attribute_of(reference, "host");
  for (std::string_view rest = hosts; !rest.empty();) {
    const auto host = rest.substr(0, rest.find(','));
    rest.remove_prefix(std::min(host.size() + 1, rest.size()));
    if (!secrets::azure::is_database_host(host))
      return refused(
          "the host is none of Azure's database servers; another one's getting our token is not for the "
          "environment alone to decide");
  }
  return {};
}

}  // namespace

std::string fix_for_exec(const std::string& variable) {
  return "Say it on the command line: -e " + variable + "='…', or as TARGET of connect; or in sallyport.yaml";
}

Result<void> check_environment_reference(const std::string& variable, std::string_view text,
                                         const std::string& fix) {
  const Refusal refused{variable, fix};
  const auto reference = secrets::parse_reference(text);
  if (!reference) return reference.error();
  if (reference->scheme == "exec")
    return refused("names a program to run (exec:), which the environment alone may not decide");
  // The mode first: its reason is of no use without it.
  const auto mode = secrets::attribute_of(*reference, "sslmode");
  if (weakens_a_mode(mode))
    return refused("sslmode=" + mode + " weakens a check, which the environment alone may not do");
  const auto sources = secrets::register_all();
  const auto* source = sources.find(reference->scheme);
  if (source == nullptr) return refused("names a source that this version has not");
  for (const auto& [name, value] : reference->attributes) {
    const auto* attribute = secrets::find_attribute(name, source->attributes());
    if (attribute == nullptr) continue;  // open() names the one that was meant
    if (attribute->effect == secrets::Effect::names_receiver)
      return refused("the attribute " + name +
                     " chooses who gets our token, which the environment alone may not do");
    if (attribute->weakens(value))
      return refused("the attribute " + name + " weakens a check, which the environment alone may not do");
  }
  return check_token_stays_in_its_cloud(refused, *reference);
}

}  // namespace sallyport::cli
