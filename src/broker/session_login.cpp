// Who a client is, once its first packet is read: the process at its end, its certificate, a run token or a local
// password, and what it asks for.
#include "broker/session.h"
#include "wire/postgres/options.h"

#include <algorithm>

namespace sallyport::broker {

policy::PeerIdentity identity_of(const ProvenPeer& peer) {
  policy::PeerIdentity identity;
  identity.uid = peer.uid;
  identity.gid = peer.gid;
  identity.groups = peer.groups;
  identity.certificate = peer.certificate;
  identity.executable = peer.program;
  identity.cgroup = peer.cgroup;
  identity.namespaced = peer.namespaced;
  identity.login = peer.login;
  identity.address = policy::parse_ip_address(peer.address);
  return identity;
}

// Whether a password is asked for depends on the process alone, and what follows is the same for every name: who tries
// names learns none (threat 18). Our side of the exchange costs a few hashes: the slow step is the client's.
void Session::prove_login() {
  if (route_->run_token) return begin_scram({*route_->run_token, false, end_point()});
  // Policy as it is now, not as it was when the connection came in.
  route_ = host_.current_route(route_);
  if (route_ == nullptr) return finish();
  if (!policy::asks_password(route_->route, identity_of(peer_), claims(), began_)) return on_proven();
  auto asked = policy::verifier_for(route_->route.passwords, startup_.user(), route_->mock);
  begin_scram({std::move(asked.verifier), asked.mock, end_point()});
}

void Session::begin_scram(postgres::ServerScram scram) {
  stage_ = Stage::scram;
  scram_ =
      std::make_unique<postgres::ServerLogin>(postgres::ServerLoginRequest{std::move(scram), negotiation_});
  Started started;
  services_.randomness.fill(started.random);
  continue_scram(started);
}

// A server takes `-c application_name=…` in the options where the parameter itself is not given. It must not be part of the
// pool's key either. What else stands there stays, and what cannot be read is left to the server.
void Session::take_name() {
  const auto* own = startup_.find("application_name");
  if (own != nullptr) application_name_ = *own;
  const auto* options = startup_.find("options");
  if (options == nullptr || startup_.find("replication") != nullptr) return;
  auto settings = postgres::parse_options(*options);
  if (!settings) return;
  const auto named = [](const auto& setting) { return setting.first == "application_name"; };
  const auto last = std::find_if(settings->rbegin(), settings->rend(), named);
  if (last == settings->rend()) return;
  if (own == nullptr) application_name_ = last->second;
  std::erase_if(*settings, named);
  auto rest = postgres::print_options(*settings);
  std::erase_if(startup_.parameters, [](const auto& parameter) { return parameter.first == "options"; });
  if (!rest.empty()) startup_.parameters.emplace_back("options", std::move(rest));
}

policy::ClientClaims Session::claims() const {
  const auto* database = startup_.find("database");
  policy::ClientClaims claims{std::string{startup_.user()}, database == nullptr ? "" : *database};
  if (const auto* asked = startup_.find("replication")) claims.replication = policy::replication_of(*asked);
  return claims;
}

PoolKey Session::pool_key() const {
  PoolKey key;
  key.database = access_.decision.database;
  if (!access_.pool->settings().pool.shared_by_role) key.identity = access_.decision.identity;
  key.replication = access_.decision.replication;
  const bool replicates = key.replication != policy::Replication::none;
  for (const auto& [name, value] : startup_.parameters) {
    const bool ours = name == "user" || name == "database" || name == "replication" ||
                      (name == "application_name" && !replicates) || name.starts_with("_pq_.") ||
                      (name == "role" && !access_.decision.run_as.empty());
    if (!ours) key.profile.emplace_back(name, value);
  }
  std::sort(key.profile.begin(), key.profile.end());
  return key;
}

void Session::start_ageing() {
  const auto age_max = route_->route.session_age_max;
  if (age_max == Duration::zero()) return;
  const auto age = services_.loop.now().mono - accepted_at_;
  age_timer_ =
      services_.loop.after(std::max(Duration::zero(), age_max - age), [this] { drain(Dismissal::too_old); });
}

}  // namespace sallyport::broker
