// What a connector's session knows from one fetch to the next, and the one step that asks the control plane.
#pragma once

#include "secrets/gcp/instance_domain.h"
#include "secrets/gcp/service.h"

#include <memory>
#include <optional>
#include <string>

namespace sallyport::secrets::gcp {

/// What the last refresh brought: a name that is looked up again and still names the instance leads to it again.
struct Kept {
  Instance instance;
  std::string user;
  std::string chain_pem;
  WallTime expires;
  MonotonicTime stale_at;
  std::shared_ptr<const Access> access;
};

struct Connector {
  Context context;
  Service service;
  std::string domain;  ///< names the instance in DNS; empty: the reference does
  Instance instance;   ///< empty until the first look-up
  IpType ip = IpType::public_ip;
  std::string user;
  std::string engine;
  TokenCache admin;
  TokenCache login;
  Secret key = {};  ///< one for the session, as the connectors have one for the process
  Limiter limiter = {};
  MonotonicTime begun = {};
  std::optional<Kept> kept = {};
  bool settled = false;  ///< this fetch needs no refresh
  std::string warning = {};
};

/// Asks where the instance is and for a certificate, and keeps what came: state.kept is set.
Result<Then> refresh(Inquiry& ask, Connector& state, Fetched& out);

/// What is kept, as the outcome of a fetch.
void yield(const Connector& state, Moment now, Fetched& out);

}  // namespace sallyport::secrets::gcp
