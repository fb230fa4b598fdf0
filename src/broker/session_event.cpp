// What the trail hears of a session: who was verified, what was claimed, which server connection it had.
#include "broker/session.h"

#include <algorithm>
#include <string>

namespace sallyport::broker {

namespace {

/// Names of a certificate that the trail repeats; the certificate itself is known by its digest.
constexpr std::size_t names_max = 4;

void add_certificate(std::map<std::string, std::string>& verified, const policy::ClientCertificate& one) {
  if (!one.sha256.empty()) {  // another process of ours tells names only
    verified["certificate_sha256"] = one.sha256;
    verified["certificate_expires"] = format_utc(one.expires_at);
  }
  if (!one.subject.empty()) verified["certificate_subject"] = one.subject;
  if (!one.spiffe_id.empty()) verified["certificate_spiffe_id"] = one.spiffe_id;
  std::string names;
  for (std::size_t i = 0; i < std::min(one.dns_names.size(), names_max); ++i) {
    names += (names.empty() ? "" : ", ") + one.dns_names[i];
  }
  if (one.dns_names.size() > names_max) names += ", …";
  if (!names.empty()) verified["certificate_dns"] = names;
}

/// `server`: an Upstream, or the Greeting that one left.
template <class Server>
void note_server(trail::Event& event, const Server& server) {
  event.upstream_user = server.user;
  event.lease_accessor = server.lease_accessor;
  event.generation = server.generation;
  event.upstream_host = server.host;
  event.upstream_address = server.peer_address;
  event.tls_protocol = server.tls.protocol;
  event.tls_cipher = server.tls.cipher;
  event.server_certificate_sha256 = server.tls.peer_certificate_sha256;
}

}  // namespace

trail::Event Session::event(trail::EventKind kind) const {
  trail::Event event;
  event.kind = kind;
  event.at = services_.loop.now().wall;
  event.session = id();
  event.route = route_->route.name;
  const auto& [pool, decision, target] = facts().access;
  event.target = target.empty() ? route_->route.target : target;
  event.role = decision.role;
  event.database = decision.database;
  add_verified(event);
  if (!claims().user.empty()) event.claimed["user"] = claims().user;
  if (!claims().database.empty()) event.claimed["database"] = claims().database;
  if (const auto& name = facts().application_name; name && !name->empty())
    event.claimed["application_name"] = *name;
  if (const auto* greeting = login_ == nullptr ? nullptr : login_->greeting.get())
    note_server(event, *greeting);
  const Upstream* upstream = login_ == nullptr ? nullptr : login_->upstream.get();
  if (relay_ != nullptr && relay_->has_upstream()) upstream = &relay_->upstream();
  if (upstream != nullptr) {
    note_server(event, *upstream);
    event.upstream_pid = upstream->pid;
    event.local_address = upstream->local_address;
  }
  return event;
}

void Session::add_verified(trail::Event& event) const {
  auto& verified = event.verified;
  const auto& peer = facts().peer;
  if (peer.uid) {
    verified["uid"] = std::to_string(*peer.uid);
  } else if (origin().has_uid()) {
    verified["uid"] = std::to_string(origin().uid);
  }
  const auto pid = login_ != nullptr ? peer.pid : pid_;
  if (pid != 0) verified["pid"] = std::to_string(pid);
  if (peer.gid) verified["gid"] = std::to_string(*peer.gid);
  if (!peer.cgroup.empty()) verified["cgroup"] = peer.cgroup;
  if (!peer.executable.empty()) verified["executable"] = peer.executable;
  const auto address = peer.address.empty() ? origin().network.to_string() : peer.address;
  if (!address.empty()) verified["address"] = address;
  if (is_secured()) verified["client_tls"] = facts().tls;
  // Where the process was refused, the peer has none yet.
  const auto& certificate = login_ != nullptr ? login_->certificate : peer.certificate;
  if (certificate != nullptr) add_certificate(verified, *certificate);
  if (!facts().access.decision.identity.empty()) verified["identity"] = facts().access.decision.identity;
}

// The session is the one that was aimed at, `verified` is whoever aimed: its key has come into other hands.
void Session::record_foreign_cancel(const CancelAsker& asker, std::string_view why) const {
  const auto untold = services_.cancels.tell_foreign(*this, services_.loop.now().mono);
  if (!untold) return;
  trail::Event refused;
  refused.kind = trail::EventKind::security;
  refused.at = services_.loop.now().wall;
  refused.session = id();
  refused.route = asker.route;
  refused.target = target();
  refused.role = role();
  refused.database = facts().access.decision.database;
  refused.result = "cancel_refused";
  refused.reason = "a cancel with this session's key was refused: " + std::string{why};
  if (*untold > 0) refused.reason += "; before that " + std::to_string(*untold) + " that were not told";
  auto& verified = refused.verified;
  if (asker.uid) verified["uid"] = std::to_string(*asker.uid);
  if (asker.pid != 0) verified["pid"] = std::to_string(asker.pid);
  if (!asker.executable.empty()) verified["executable"] = asker.executable;
  if (!asker.address.empty()) verified["address"] = asker.address;
  if (asker.certificate != nullptr) add_certificate(verified, *asker.certificate);
  services_.logger.write(
      LogLevel::warning, refused.reason,
      {{"session", refused.session}, {"from", trail::identity_of(refused)}, {"event", refused.result}});
  services_.trail.note(std::move(refused));
}

}  // namespace sallyport::broker
