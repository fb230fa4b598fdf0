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
  if (route_->run_token) return begin_scram({*route_->run_token, false, login_->end_point});
  // Policy as it is now, not as it was when the connection came in.
  route_ = host_.current_route(route_);
  if (route_ == nullptr) return finish();
  if (!policy::asks_password(route_->route, identity_of(peer()), claims(), began_)) return on_proven();
  auto asked = policy::verifier_for(route_->route.passwords, login_->startup.user(), route_->mock);
  begin_scram({std::move(asked.verifier), asked.mock, login_->end_point});
}

void Session::begin_scram(postgres::ServerScram scram) {
  stage_ = Stage::scram;
  login_->scram = std::make_unique<postgres::ServerLogin>(
      postgres::ServerLoginRequest{std::move(scram), login_->negotiation});
  Started started;
  services_.randomness.fill(started.random);
  continue_scram(started);
}

// A server takes `-c application_name=…` in the options where the parameter itself is not given. It must not be part of the
// pool's key either. What else stands there stays, and what cannot be read is left to the server.
void Session::take_name() {
  auto& startup = login_->startup;
  const auto* own = startup.find("application_name");
  if (own != nullptr) login_->facts.application_name = *own;
  const auto* options = startup.find("options");
  if (options == nullptr || startup.find("replication") != nullptr) return;
  auto settings = postgres::parse_options(*options);
  if (!settings) return;
  const auto named = [](const auto& setting) { return setting.first == "application_name"; };
  const auto last = std::find_if(settings->rbegin(), settings->rend(), named);
  if (last == settings->rend()) return;
  if (own == nullptr) login_->facts.application_name = last->second;
  std::erase_if(*settings, named);
  auto rest = postgres::print_options(*settings);
  std::erase_if(startup.parameters, [](const auto& parameter) { return parameter.first == "options"; });
  if (!rest.empty()) startup.parameters.emplace_back("options", std::move(rest));
}

void Session::take_claims() {
  const auto& startup = login_->startup;
  auto& claims = login_->facts.claims;
  claims.user = startup.user();
  if (const auto* database = startup.find("database")) claims.database = *database;
  if (const auto* asked = startup.find("replication")) claims.replication = policy::replication_of(*asked);
}

PoolKey Session::pool_key() const {
  PoolKey key;
  const auto& decision = facts().access.decision;
  key.database = decision.database;
  if (!pool().settings().pool.shared_by_role) key.identity = decision.identity;
  key.replication = decision.replication;
  const bool replicates = key.replication != policy::Replication::none;
  for (const auto& [name, value] : login_->startup.parameters) {
    const bool ours = name == "user" || name == "database" || name == "replication" ||
                      (name == "application_name" && !replicates) || name.starts_with("_pq_.") ||
                      (name == "role" && !decision.run_as.empty());
    if (!ours) key.profile.emplace_back(name, value);
  }
  std::sort(key.profile.begin(), key.profile.end());
  return key;
}

void Session::start_ageing() {
  const auto age_max = route_->route.session_age_max;
  if (age_max == Duration::zero()) return;
  const auto age = services_.loop.now().mono - accepted_at_;
  deadline_ =
      services_.loop.after(std::max(Duration::zero(), age_max - age), [this] { drain(Dismissal::too_old); });
}

}  // namespace sallyport::broker
