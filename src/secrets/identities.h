// The explicit list of clouds that can say who we are, for `whoami`: one line each in identities.cpp.
#pragma once

#include "secrets/identity.h"

#include <memory>
#include <string_view>
#include <utility>
#include <vector>

namespace sallyport::secrets {

using IdentityMaker = std::unique_ptr<IdentityConversation> (*)();

std::vector<std::pair<std::string_view, IdentityMaker>> identities();

}  // namespace sallyport::secrets
