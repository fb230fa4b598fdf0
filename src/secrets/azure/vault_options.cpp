#include "secrets/azure/vault_options.h"

#include "base/ascii.h"
#include "secrets/attributes.h"
#include "secrets/azure/endpoint.h"
#include "secrets/literal_host.h"

#include <algorithm>

namespace sallyport::secrets::azure {

namespace {

constexpr auto own_attributes =
    combined(identity_attributes,
             std::to_array<Attribute>({{"vault_url", Effect::names_receiver}, {"shape", Effect::selects}}));
constexpr std::size_t vault_bytes_max = 24;
constexpr std::size_t secret_bytes_max = 127;

bool is_name(std::string_view text, std::size_t bytes_max) {
  return !text.empty() && text.size() <= bytes_max && std::all_of(text.begin(), text.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-';
  });
}

Error wrong_locator(std::string what) {
  return {ErrorCode::bad_config,
          Hop::reference,
          "azure-kv:",
          std::move(what),
          "Write azure-kv:VAULT/SECRET or azure-kv:VAULT/SECRET/VERSION",
          {}};
}

Result<void> read_locator(const Reference& reference, VaultOptions& out) {
  const std::string_view locator = reference.locator;
  const auto slash = locator.find('/');
  if (slash == std::string_view::npos) return wrong_locator("names a vault, but no secret in it");
  out.vault = to_lower(locator.substr(0, slash));
  auto rest = locator.substr(slash + 1);
  // People paste the identifier, whose path is /secrets/NAME/VERSION.
  if (rest.starts_with("secrets/")) rest.remove_prefix(8);
  const auto second = std::min(rest.find('/'), rest.size());
  out.secret = rest.substr(0, second);
  out.version = second == rest.size() ? std::string_view{} : rest.substr(second + 1);
  if (!is_name(out.short_name(), vault_bytes_max))
    return wrong_locator("no name of a vault: letters, digits and dashes, at most 24");
  if (out.vault != out.short_name()) {
    out.choice.cloud = cloud_of_host(out.vault);
    const bool known = out.choice.cloud != nullptr &&
                       out.vault == out.short_name() + "." + std::string{out.choice.cloud->vaults};
    if (!known)
      return wrong_locator(
          "no host of a vault: NAME.vault.azure.net, NAME.vault.azure.cn or "
          "NAME.vault.usgovcloudapi.net");
  }
  if (!is_name(out.secret, secret_bytes_max))
    return wrong_locator("no name of a secret: letters, digits and dashes, at most 127");
  if (!out.version.empty() && !is_name(out.version, 64))
    return wrong_locator(
        "no version: 32 letters and digits, as `az keyvault secret list-versions` prints it");
  return {};
}

}  // namespace

Attributes known_attributes() { return own_attributes; }

Result<VaultOptions> parse_vault_options(const Reference& reference) {
  if (auto checked = check_attributes(reference, own_attributes); !checked) return std::move(checked).error();
  VaultOptions out;
  if (auto read = read_locator(reference, out); !read) return std::move(read).error();
  const auto* cloud = out.choice.cloud;
  auto choice = choice_of(reference, "azure-kv:" + out.vault + "/" + out.secret);
  if (!choice) return std::move(choice).error();
  out.choice = std::move(*choice);
  out.choice.cloud = cloud;
  auto shape = shape_options_of(reference);
  if (!shape) return std::move(shape).error();
  out.shape = std::move(*shape);
  out.url = attribute_of(reference, "vault_url");
  while (out.url.ends_with('/')) out.url.pop_back();
  if (out.url.empty()) return out;
  const auto endpoint = parse_endpoint(out.url);
  const bool plain = endpoint && !endpoint->https;
  if (!endpoint || !endpoint->path.empty() || (plain && !is_loopback_literal(endpoint->host))) {
    return wrong_attribute("vault_url", "no https:// address of a vault",
                           "Write for example vault_url=https://my-vault.example.com");
  }
  if (plain && !out.choice.plain_loopback) {
    return wrong_attribute("vault_url", "plain http",
                           "Use https://, or add insecure_reason= for a test on 127.0.0.1");
  }
  return out;
}

}  // namespace sallyport::secrets::azure
