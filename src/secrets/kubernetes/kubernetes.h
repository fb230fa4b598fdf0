// The `k8s:` source: a Secret of Kubernetes through the API, as the pod's own service account.
//
//   k8s:prod/db#password     one key
//   k8s:prod/db              all keys, as operators name them (fields.h)
//   k8s:db                   in the pod's own namespace
//
// Inside a cluster nothing is to be said: KUBERNETES_SERVICE_HOST and _PORT name the API server, the kubelet mounts the
// token (read anew for each fetch: it is replaced while we run), the authorities and the namespace. Attributes: options.h.
#pragma once

#include "secrets/identity.h"
#include "secrets/source.h"

#include <memory>

namespace sallyport::secrets {

std::unique_ptr<Source> kubernetes_source();

/// The service account of the mounted token, by the token's own claims: nobody is asked.
std::unique_ptr<IdentityConversation> kubernetes_identity();

}  // namespace sallyport::secrets
