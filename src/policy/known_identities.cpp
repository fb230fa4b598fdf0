#include "policy/known_identities.h"

#include "policy/conditions.h"

#include <memory>

namespace sallyport::policy {

std::vector<std::string> known_identities(const AllowRule& rule) {
  if (is_for_process(rule) && (!rule.uid || rule.uid == overflow_id)) return {};
  PeerIdentity peer;
  peer.uid = rule.uid;
  if (rule.certificate) {
    const auto& wanted = *rule.certificate;
    const bool spiffe = wanted.kind == CertificateRule::Kind::spiffe;
    if (spiffe && wanted.text.find('*') != std::string::npos) return {};
    auto certificate = std::make_shared<ClientCertificate>();
    if (spiffe) certificate->spiffe_id = wanted.text;
    peer.certificate = std::move(certificate);
  }
  std::vector<std::string> all;
  const auto add = [&] {
    if (auto text = identity_text(peer, rule); !text.empty()) all.push_back(std::move(text));
  };
  if (rule.verifier.empty()) add();
  for (const auto& login : rule.logins) {
    peer.login = login;
    add();
  }
  return all;
}

}  // namespace sallyport::policy
