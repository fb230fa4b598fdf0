// The metadata server of a machine in Google Cloud (Compute Engine, GKE, Cloud Run): tokens of the service account that
// the machine has. Plain http, so only at a literal link-local address and with Google's header both ways.
#pragma once

#include "secrets/gcp/context.h"
#include "secrets/gcp/token.h"

#include <string>

namespace sallyport::secrets::gcp {

struct MetadataServer {
  std::string root;     ///< "http://169.254.169.254"; empty: there is none
  std::string why_not;  ///< then
};

/// GCE_METADATA_HOST, or the usual address if something answers there within three seconds.
/// Errors  bad_config: GCE_METADATA_HOST is neither link-local nor, with a reason, loopback.
Result<MetadataServer> find_metadata_server(Inquiry& ask, const Context& context);

/// A token of the default service account.
/// Errors  denied: the machine has none, or not that scope.  retry_later, timed_out, peer_misbehaved.
Result<AccessToken> metadata_token(Inquiry& ask, const Context& context, const std::string& root,
                                   std::string_view scope);

/// The default service account's e-mail address.
Result<std::string> metadata_email(Inquiry& ask, const Context& context, const std::string& root);

/// "googleapis.com", unless the server says another.
Result<std::string> metadata_universe(Inquiry& ask, const Context& context, const std::string& root);

}  // namespace sallyport::secrets::gcp
