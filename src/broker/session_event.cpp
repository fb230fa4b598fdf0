// What the trail hears of a session: who was verified, what was claimed, which server connection it had.
#include "broker/session.h"

#include <algorithm>
#include <string>

namespace sallyport::broker {

namespace {

/// Names of a certificate that the trail repeats; the certificate itself is known by its digest.
constexpr std::size_t names_max = 4;

void add_certificate(std::map<std::string, std::string>& verified, const policy::ClientCertificate& one) {
  verified["certificate_sha256"] = one.sha256;
  verified["certificate_expires"] = format_utc(one.expires_at);
  if (!one.subject.empty()) verified["certificate_subject"] = one.subject;
  if (!one.spiffe_id.empty()) verified["certificate_spiffe_id"] = one.spiffe_id;
  std::string names;
  for (std::size_t i = 0; i < std::min(one.dns_names.size(), names_max); ++i) {
    names += (names.empty() ? "" : ", ") + one.dns_names[i];
  }
  if (one.dns_names.size() > names_max) names += ", …";
  if (!names.empty()) verified["certificate_dns"] = names;
}

}  // namespace

trail::Event Session::event(trail::EventKind kind) const {
  trail::Event event;
  event.kind = kind;
  event.at = services_.loop.now().wall;
  event.session = id_;
  event.route = route_->route.name;
  event.target = access_.target.empty() ? route_->route.target : access_.target;
  event.role = access_.decision.role;
  event.database = access_.decision.database;
  add_verified(event);
  if (!startup_.user().empty()) event.claimed["user"] = startup_.user();
  if (const auto* database = startup_.find("database")) event.claimed["database"] = *database;
  if (!application_name_.empty()) event.claimed["application_name"] = application_name_;
  if (greeting_ != nullptr) {
    event.upstream_user = greeting_->user;
    event.lease_accessor = greeting_->lease_accessor;
    event.generation = greeting_->generation;
    event.upstream_host = greeting_->host;
    event.upstream_address = greeting_->peer_address;
    event.tls_protocol = greeting_->tls.protocol;
    event.tls_cipher = greeting_->tls.cipher;
    event.server_certificate_sha256 = greeting_->tls.peer_certificate_sha256;
  }
  const Upstream* upstream = upstream_.get();
  if (relay_ != nullptr && relay_->has_upstream()) upstream = &relay_->upstream();
  if (upstream != nullptr) {
    event.upstream_user = upstream->user;
    event.lease_accessor = upstream->lease_accessor;
    event.generation = upstream->generation;
    event.upstream_pid = upstream->pid;
    event.upstream_host = upstream->host;
    event.upstream_address = upstream->peer_address;
    event.local_address = upstream->local_address;
    event.tls_protocol = upstream->tls.protocol;
    event.tls_cipher = upstream->tls.cipher;
    event.server_certificate_sha256 = upstream->tls.peer_certificate_sha256;
  }
  return event;
}

void Session::add_verified(trail::Event& event) const {
  auto& verified = event.verified;
  if (peer_.uid) {
    verified["uid"] = std::to_string(*peer_.uid);
  } else if (origin_.has_uid()) {
    verified["uid"] = std::to_string(origin_.uid);
  }
  if (peer_.pid != 0) verified["pid"] = std::to_string(peer_.pid);
  if (peer_.gid) verified["gid"] = std::to_string(*peer_.gid);
  if (!peer_.cgroup.empty()) verified["cgroup"] = peer_.cgroup;
  if (!peer_.executable.empty()) verified["executable"] = peer_.executable;
  const auto address = peer_.address.empty() ? origin_.network.to_string() : peer_.address;
  if (!address.empty()) verified["address"] = address;
  if (secured_) verified["client_tls"] = secured_->protocol + " " + secured_->cipher;
  if (secured_ && secured_->certificate != nullptr) add_certificate(verified, *secured_->certificate);
  if (!access_.decision.identity.empty()) verified["identity"] = access_.decision.identity;
}

}  // namespace sallyport::broker
