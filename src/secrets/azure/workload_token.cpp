// Workload identity: a token that Kubernetes (or another issuer) writes into a file is the assertion. It is replaced while we
// run, so it is read anew each time.
#include "base/limits.h"
#include "secrets/azure/provider.h"

#include <algorithm>

namespace sallyport::secrets::azure {

namespace {

constexpr std::string_view provider = "workload identity";
constexpr std::string_view assertion_type = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// The kubelet's mounts can be read by all of a pod, which is one user.
bool is_mounted_by_kubelet(std::string_view path) {
  return path.starts_with("/var/run/secrets/") || path.starts_with("/run/secrets/");
}

std::string_view trimmed(std::string_view text) {
  const auto is_space = [](char c) { return c == ' ' || (c >= '\t' && c <= '\r'); };
  while (!text.empty() && is_space(text.front())) text.remove_prefix(1);
  while (!text.empty() && is_space(text.back())) text.remove_suffix(1);
  return text;
}

}  // namespace

Offer workload_token(Inquiry& ask, const Settings& settings, const std::string& scope, Search& search) {
  auto path = ask.text("AZURE_FEDERATED_TOKEN_FILE");
  if (!path) return failed(settings, search, provider, std::move(path).error());
  if (path->empty()) return nothing(search, provider, "AZURE_FEDERATED_TOKEN_FILE is not set");
  for (const auto& [name, value] :
       {std::pair{"AZURE_CLIENT_ID", &settings.client_id}, std::pair{"AZURE_TENANT_ID", &settings.tenant}}) {
    if (value->empty())
      return nothing(search, provider, "AZURE_FEDERATED_TOKEN_FILE is set, but not " + std::string{name});
  }
  if (!path->starts_with('/')) {
    return failed(settings, search, provider, ErrorCode::bad_config,
                  "AZURE_FEDERATED_TOKEN_FILE is no absolute path", "Write the whole path");
  }
  auto content = ask.file({*path, limits::secret_bytes_max, private_if(!is_mounted_by_kubelet(*path))});
  if (!content) {
    auto error = std::move(content).error();
    error.what = *path + ": " + error.what;
    if (error.code == ErrorCode::not_found)
      error.hint = "Check the pod's label azure.workload.identity/use: \"true\" and its service account";
    return failed(settings, search, provider, std::move(error));
  }
  const auto word = trimmed((*content)->reveal());
  const bool plain = std::all_of(word.begin(), word.end(), [](char c) { return c > 0x20 && c < 0x7F; });
  if (word.empty() || word.size() > token_bytes_max || !plain) {
    return failed(
        settings, search, provider,
        (*content)->size() > limits::secret_bytes_max ? ErrorCode::limit_exceeded : ErrorCode::retry_later,
        *path + " holds no token: " + (word.empty() ? "it is empty" : "not one word of printable characters"),
        "Check what writes it");
  }
  const auto proof = [&](FormWriter& form, WallTime, int) -> Result<void> {
    form.field("client_assertion_type", assertion_type);
    form.field("client_assertion", word);
    return {};
  };
  return entra_token(ask, settings, scope, search, Provider::workload, std::string{provider}, proof);
}

}  // namespace sallyport::secrets::azure
