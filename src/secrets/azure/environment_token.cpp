// A service principal from the environment: a client secret, or a certificate with its key.
#include "base/limits.h"
#include "secrets/azure/provider.h"

namespace sallyport::secrets::azure {

namespace {

constexpr std::string_view secret_name = "environment (client secret)";
constexpr std::string_view certificate_name = "environment (client certificate)";
constexpr std::string_view assertion_type = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// "AZURE_TENANT_ID and AZURE_CLIENT_ID are not set".
std::string missing(const Settings& settings, bool secret, bool certificate) {
  std::vector<std::string> names;
  if (settings.tenant.empty()) names.emplace_back("AZURE_TENANT_ID");
  if (settings.client_id.empty()) names.emplace_back("AZURE_CLIENT_ID");
  if (!secret && !certificate) names.emplace_back("AZURE_CLIENT_SECRET or AZURE_CLIENT_CERTIFICATE_PATH");
  std::string out;
  for (std::size_t i = 0; i < names.size(); ++i) {
    out += (i == 0 ? "" : i + 1 == names.size() ? " and " : ", ") + names[i];
  }
  return out.empty() ? out : out + (names.size() == 1 ? " is not set" : " are not set");
}

Result<const Secret*> read_certificate(Inquiry& ask, const Settings& settings, Search& search,
                                       const std::string& path) {
  if (!path.starts_with('/')) {
    return failed(settings, search, certificate_name, ErrorCode::bad_config,
                  "AZURE_CLIENT_CERTIFICATE_PATH is no absolute path", "Write the whole path");
  }
  auto content = ask.file({path, limits::secret_bytes_max, FileTrust::is_private});
  if (!content) {
    auto error = std::move(content).error();
    error.what = path + ": " + error.what;
    return failed(settings, search, certificate_name, std::move(error));
  }
  if ((*content)->size() > limits::secret_bytes_max) {
    return failed(settings, search, certificate_name, ErrorCode::limit_exceeded,
                  path + " is longer than 65536 bytes");
  }
  return *content;
}

Offer by_certificate(Inquiry& ask, const Settings& settings, const std::string& scope, Search& search,
                     const std::string& path, bool has_password) {
  auto pem = read_certificate(ask, settings, search, path);
  if (!pem) return std::move(pem).error();
  const auto proof = [&](FormWriter& form, WallTime theirs, int tried) -> Result<void> {
    std::vector<std::uint8_t> random(ask.random().begin(), ask.random().end());
    random.push_back(static_cast<std::uint8_t>(tried));
    auto assertion = client_assertion(**pem, settings, theirs, random);
    if (!assertion) {
      auto error = std::move(assertion).error();
      error.what = path + ": " + error.what;
      if (has_password) error.what += " (AZURE_CLIENT_CERTIFICATE_PASSWORD is not used)";
      return error;
    }
    form.field("client_assertion_type", assertion_type);
    form.field("client_assertion", assertion->reveal());
    return {};
  };
  return entra_token(ask, settings, scope, search, Provider::environment, std::string{certificate_name},
                     proof);
}

}  // namespace

Offer environment_token(Inquiry& ask, const Settings& settings, const std::string& scope, Search& search) {
  const auto* secret = ask.variable("AZURE_CLIENT_SECRET");
  auto path = ask.text("AZURE_CLIENT_CERTIFICATE_PATH");
  if (!path) return failed(settings, search, certificate_name, std::move(path).error());
  const bool has_password = ask.variable("AZURE_CLIENT_CERTIFICATE_PASSWORD") != nullptr;
  if (auto lacks = missing(settings, secret != nullptr, !path->empty()); !lacks.empty())
    return nothing(search, "environment", std::move(lacks));
  if (secret == nullptr) return by_certificate(ask, settings, scope, search, *path, has_password);
  const auto proof = [&](FormWriter& form, WallTime, int) -> Result<void> {
    form.field("client_secret", secret->reveal());
    return {};
  };
  return entra_token(ask, settings, scope, search, Provider::environment, std::string{secret_name}, proof);
}

}  // namespace sallyport::secrets::azure
