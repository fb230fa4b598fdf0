// Whose our AWS keys are, for `whoami`.
#pragma once

#include "secrets/identity.h"

#include <memory>

namespace sallyport::secrets::aws {

/// Asks the chain as a reference without attributes does, then GetCallerIdentity. When that cannot be reached, the
/// provider is told all the same, and why.
std::unique_ptr<IdentityConversation> aws_identity();

}  // namespace sallyport::secrets::aws
