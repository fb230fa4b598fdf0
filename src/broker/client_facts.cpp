#include "broker/client_facts.h"

#include <algorithm>
#include <functional>
#include <utility>

namespace sallyport::broker {

namespace {

std::size_t hash_of(const ClientFacts& facts) {
  std::size_t hash = 0;
  for (const auto* text : {&facts.access.decision.identity, &facts.access.target, &facts.claims.user,
                           &facts.claims.database, &facts.peer.executable}) {
    hash = hash * 31 + std::hash<std::string>{}(*text);
  }
  return hash ^ std::hash<std::optional<std::string>>{}(facts.application_name) ^ facts.origin.network.prefix;
}

}  // namespace

// Allocated apart from their counts: those stay until the next sweep, the facts do not.
std::shared_ptr<const ClientFacts> KnownClients::share(ClientFacts facts) {
  share_certificate(facts.peer.certificate);
  const auto hash = hash_of(facts);
  auto at = known_.lower_bound(hash);
  for (int i = 0; i < compared_max && at != known_.end() && at->first == hash; ++i, ++at) {
    if (auto known = at->second.lock(); known != nullptr && *known == facts) return known;
  }
  auto fresh = std::make_unique<const ClientFacts>(std::move(facts));
  std::shared_ptr<const ClientFacts> shared{std::move(fresh)};
  known_.emplace(hash, shared);
  if (known_.size() + certificates_.size() >= sweep_at_) sweep();
  return shared;
}

// Each handshake decodes it anew.
void KnownClients::share_certificate(std::shared_ptr<const policy::ClientCertificate>& certificate) {
  if (certificate == nullptr) return;
  auto& known = certificates_[certificate->sha256];
  if (auto same = known.lock()) {
    certificate = std::move(same);
  } else {
    known = certificate;
  }
}

// Those that nobody has any more. As many new ones as are left pay for the next look at all.
void KnownClients::sweep() {
  std::erase_if(known_, [](const auto& one) { return one.second.expired(); });
  std::erase_if(certificates_, [](const auto& one) { return one.second.expired(); });
  sweep_at_ = std::max<std::size_t>(64, 2 * (known_.size() + certificates_.size()));
}

}  // namespace sallyport::broker
