// Connections that stand ready before the first client comes: `pool.min_ready` of those identities that the
// configuration names by itself.
//
// Which start-up parameters a client sends is not known before it has come once. Most send none that matter to a pool
// (psql and libpq: application_name only), and after a reload that replaced a pool those of before are known. What is
// expected is kept until there is a credential: a login ahead of it could only wait.
#include "broker/broker.h"
#include "broker/role_runtime.h"

#include <algorithm>
#include <utility>

namespace sallyport::broker {

namespace {

/// Of one identity: a client may ask for as many as it likes.
constexpr std::size_t keys_of_identity_max = 2;

}  // namespace

void Broker::warm_ahead(const std::string& target, const std::string& role,
                        const std::vector<ExpectedClient>& clients) {
  targets_.at(target).roles.at(role)->warm_ahead(clients);
}

void Broker::RoleRuntime::warm_ahead(const std::vector<ExpectedClient>& clients) {
  const auto& settings = pool_->settings().pool;
  if (settings.min_ready == 0) return;
  expected_.clear();
  const auto add = [this](const PoolKey& key) {
    if (std::find(expected_.begin(), expected_.end(), key) == expected_.end()) expected_.push_back(key);
  };
  for (const auto& client : clients) {
    const auto identity = settings.shared_by_role ? std::string{} : client.identity;
    if (pool_->has_seen(identity)) continue;
    std::size_t found = 0;
    for (const auto& key : keys_before_) {
      if (key.identity != identity || found == keys_of_identity_max) continue;
      add(key);
      ++found;
    }
    if (found == 0) add({client.database, identity, {}});
  }
  const auto places = std::max<std::size_t>(settings.max / settings.min_ready, 1);
  if (expected_.size() > places) expected_.resize(places);
  if (slot_.current() != nullptr) keep_expected_ready();
}

void Broker::RoleRuntime::keep_expected_ready() {
  const auto current = slot_.current();
  for (auto key : std::exchange(expected_, {})) {
    // Who may have any database says which when it comes, unless the secret does.
    if (key.database.empty() && current != nullptr) key.database = current->endpoint.database;
    if (!key.database.empty()) pool_->keep_ready(key);
  }
}

}  // namespace sallyport::broker
