#include "secrets/gcp/connector.h"

namespace sallyport::secrets::gcp {

Result<std::unique_ptr<SourceSession>> connector_session(const Reference&, Context context, const Purpose&) {
  return fault(context, ErrorCode::bad_config, "connectors are not in this version");
}

}  // namespace sallyport::secrets::gcp
