// A reference in a configuration: its syntax, and whether this version has its source.
#pragma once

#include "config/problems.h"

#include <string_view>

namespace sallyport::config {

/// Reports a value that is no reference, a reference with a mistake (at the character), and one of a source
/// that is not in this version. Never quotes a value that is not a reference: it may be a
/// password.
void check_reference(const Node& node, std::string_view key, Problems& problems);

/// True for `vault:…/creds/…`: a user made for the lease, who must not own what he creates.
bool is_dynamic_credential(std::string_view reference);

}  // namespace sallyport::config
