// One signed call to a manager of secrets (Secrets Manager, Parameter Store), its retries, and what its refusals mean.
//
// Both speak JSON over POST and name the operation in a header. Only errors of authentication have the keys found anew
// (threat: a manager that says no must not make us ask faster); a signature that is refused because our clock is wrong is
// made once more by AWS' clock.
#pragma once

#include "secrets/aws/chain.h"
#include "secrets/aws/provider.h"
#include "secrets/web.h"

#include <functional>
#include <optional>
#include <string>
#include <string_view>

namespace sallyport::secrets::aws {

struct ManagerCall {
  Service service = Service::secretsmanager;
  std::string_view operation;   ///< X-Amz-Target: "secretsmanager.GetSecretValue"
  std::string_view permission;  ///< "secretsmanager:GetSecretValue"
  std::string where;            ///< for errors: "aws-sm:prod/db"
  std::string region;           ///< of an ARN or attribute; empty: the settings'
};

struct ManagerReply {
  WebReply web;
  std::string code;  ///< of a refusal: "ResourceNotFoundException"; empty: none, or none that may be shown
  std::string endpoint;  ///< "https://secretsmanager.eu-west-1.amazonaws.com"
  Duration skew{};       ///< to be learnt

  [[nodiscard]] bool ok() const { return web.success() && web.root().is_object(); }
  /// The keys are not accepted: others may be.
  [[nodiscard]] bool keys_refused() const;
  /// What the service says in words; may hold anything, so it is looked into and never shown.
  [[nodiscard]] std::string_view message() const;
};

/// `body` makes the request's JSON. A refusal is a reply.
/// Errors  bad_config: no region, or an endpoint that is not allowed.  Of the network: as ask_web().
Result<ManagerReply> ask_manager(Inquiry& ask, const KeyCache& keys, const ManagerCall& call,
                                 const std::function<Secret()>& body);

/// What every refusal of either manager means that is not the caller's own to explain.
Error manager_refusal(const ManagerCall& call, const ManagerReply& reply, const KeyCache& keys);

}  // namespace sallyport::secrets::aws
