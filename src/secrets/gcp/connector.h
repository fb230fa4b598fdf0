// The connectors of Cloud SQL and AlloyDB: `instance=` instead of a host. The control plane says where the instance is
// and which authority its certificate comes from, and signs a key of ours for an hour; the login goes through that
// certificate, so that no password exists.
#pragma once

#include "secrets/gcp/context.h"
#include "secrets/source.h"

#include <memory>

namespace sallyport::secrets::gcp {

/// Errors  bad_config: the instance's name or ip_type.
Result<std::unique_ptr<SourceSession>> connector_session(const Reference& reference, Context context,
                                                         const Purpose& purpose);

}  // namespace sallyport::secrets::gcp
