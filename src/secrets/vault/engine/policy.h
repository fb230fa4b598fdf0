// The lines of a policy that whoever sets up the engine needs, told when Vault denies something.
#pragma once

#include "secrets/vault/engine/object.h"

#include <string>
#include <vector>

namespace sallyport::secrets::vault::engine {

/// What plan and apply need; a line each, for the lists of what is there, too. Above 20 objects a folder's worth.
std::string policy_for(const std::string& mount, const std::vector<Object>& objects);

/// `path "…" { capabilities = ["create", "update"] }`
std::string policy_line(const std::string& path, std::initializer_list<std::string_view> capabilities);

}  // namespace sallyport::secrets::vault::engine
