// X.509 federation: a client certificate is shown to the token endpoint, and its chain is the subject token. Where the
// certificate is stands in a file of its own, Google's certificate_config.json.
#include "crypto/base64_pem.h"
#include "crypto/hash.h"
#include "secrets/gcp/subject.h"

#include <vector>

namespace sallyport::secrets::gcp {

namespace {

constexpr std::size_t chain_max = 16;
constexpr std::string_view begin_certificate = "-----BEGIN CERTIFICATE-----";

Result<std::string> config_path(Inquiry& ask, const Origin& origin) {
  const auto certificate = origin.file["credential_source"]["certificate"];
  const bool usual = certificate["use_default_certificate_config"].boolean().value_or(false);
  const auto named = certificate["certificate_config_location"].text();
  if (usual == !named.empty()) {
    return fault(
        origin.context, ErrorCode::bad_config,
        "credential_source.certificate of " + origin.path +
            " has not exactly one of use_default_certificate_config and certificate_config_location");
  }
  if (!usual) return std::string{named};
  auto path = ask.text("GOOGLE_API_CERTIFICATE_CONFIG");
  if (!path || !path->empty()) return path;
  auto directory = gcloud_directory(ask);
  if (!directory) return directory;
  return *directory + "/certificate_config.json";
}

/// Certificates of a PEM file as base64 of their DER.
Result<std::vector<std::string>> encoded_chain(const Origin& origin, std::string_view pem,
                                               const std::string& path) {
  std::vector<std::string> out;
  for (auto at = pem.find(begin_certificate); at != std::string_view::npos && out.size() < chain_max;) {
    const auto next = pem.find(begin_certificate, at + 1);
    const auto der = crypto::pem_body(pem.substr(at, next - at), "CERTIFICATE");
    if (!der) return fault(origin.context, ErrorCode::bad_config, path + " holds a certificate that is none");
    out.push_back(crypto::base64_encode(*der));
    at = next;
  }
  if (out.empty()) return fault(origin.context, ErrorCode::bad_config, path + " holds no certificate");
  return out;
}

/// The leaf first, then what the trust chain file adds.
Result<Secret> chain_token(Inquiry& ask, const Origin& origin, std::string_view leaf_pem,
                           const std::string& leaf_path) {
  auto leaf = encoded_chain(origin, leaf_pem, leaf_path);
  if (!leaf) return std::move(leaf).error();
  std::vector<std::string> all{leaf->front()};
  const std::string path{origin.file["credential_source"]["certificate"]["trust_chain_path"].text()};
  if (!path.empty()) {
    auto content = read_credentials_file(ask, origin.context, path, FileTrust::any,
                                         "trust_chain_path of " + origin.path);
    if (!content) return std::move(content).error();
    auto chain = encoded_chain(origin, (*content)->reveal(), path);
    if (!chain) return std::move(chain).error();
    for (std::size_t i = 0; i < chain->size(); ++i) {
      if ((*chain)[i] != all.front()) {
        all.push_back((*chain)[i]);
      } else if (i > 0) {
        return fault(origin.context, ErrorCode::bad_config,
                     "the leaf certificate stands in " + path + ", and not at its top");
      }
    }
  }
  std::string text = "[";
  for (const auto& one : all) text += (text.size() > 1 ? ", \"" : "\"") + one + "\"";
  return Secret::copy_of(text + "]");
}

}  // namespace

Result<Subject> subject_from_certificate(Inquiry& ask, const Origin& origin) {
  auto path = config_path(ask, origin);
  if (!path) return std::move(path).error();
  auto content = read_credentials_file(ask, origin.context, *path, FileTrust::only_we_write,
                                       "the certificate configuration");
  if (!content) return std::move(content).error();
  auto json = Json::parse((*content)->reveal(), *path);
  const auto workload = json ? json->root()["cert_configs"]["workload"] : JsonView{};
  const std::string certificate_path{workload["cert_path"].text()};
  const std::string key_path{workload["key_path"].text()};
  if (certificate_path.empty() || key_path.empty()) {
    return fault(origin.context, ErrorCode::bad_config,
                 *path + " has no cert_configs.workload.cert_path and key_path");
  }
  auto certificate =
      read_credentials_file(ask, origin.context, certificate_path, FileTrust::any, "cert_path of " + *path);
  if (!certificate) return std::move(certificate).error();
  auto key = read_credentials_file(ask, origin.context, key_path,
                                   private_if(!origin.context.allow_world_readable), "key_path of " + *path);
  if (!key) return std::move(key).error();
  auto token = chain_token(ask, origin, (*certificate)->reveal(), certificate_path);
  if (!token) return std::move(token).error();
  return Subject{std::move(*token), std::string{(*certificate)->reveal()}, (*key)->clone()};
}

}  // namespace sallyport::secrets::gcp
