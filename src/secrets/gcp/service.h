// Google's services as a session asks them: whose address, with the session's token, and what a refusal means.
#pragma once

#include "secrets/gcp/token.h"

#include <string>
#include <string_view>

namespace sallyport::secrets::gcp {

/// Where a service is, and who may say another address.
struct Service {
  std::string host;           ///< "secretmanager", before the universe's domain
  std::string_view variable;  ///< gcloud's: CLOUDSDK_API_ENDPOINT_OVERRIDES_SECRETMANAGER
  std::string endpoint;       ///< ?endpoint=; empty: the variable's, else Google's
  std::string_view title;     ///< "Secret Manager"
  std::string_view api;       ///< "secretmanager.googleapis.com", for gcloud services enable
};

struct ServiceCall {
  std::string_view method = "GET";
  std::string path;  ///< "/v1/projects/…"
  Secret body = {};  ///< JSON
  std::optional<RetryRule> rule = std::nullopt;
};

/// One call with the session's token.
/// Errors  bad_config: an address that is not allowed; those of ask_web(). Any status is a reply.
Result<WebReply> call(Inquiry& ask, const Context& context, const Service& service, const TokenCache& tokens,
                      const ServiceCall& one);

/// What a refusal means that all services have in common: 401, 403 (`permission` is the role to grant, and on what), 404,
/// 429 and 5xx.
struct Permission {
  std::string role;     ///< "roles/secretmanager.secretAccessor"
  std::string command;  ///< "gcloud secrets add-iam-policy-binding NAME --project P"
  std::string project;
  std::string not_found;  ///< what does not exist
  std::string not_found_fix;
};
Error refusal(const Context& context, const Service& service, const TokenCache& tokens, const WebReply& reply,
              const Permission& permission);

/// Percent-encodes all but letters, digits and "-._~".
std::string encoded_part(std::string_view text);

Result<Context> context_of(const Reference& reference, std::string where);

}  // namespace sallyport::secrets::gcp
