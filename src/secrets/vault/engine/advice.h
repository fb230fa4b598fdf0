// What is true of a file for `sallyport vault` and unwise: told with every plan, never a reason to refuse.
#pragma once

#include "secrets/vault/engine/wanted.h"

#include <string>
#include <vector>

namespace sallyport::secrets::vault::engine {

struct Advice {
  std::string where;  ///< "role app-rw"
  std::string what;   ///< one sentence: what it is, and what to do instead
};

/// Of complete statements (statements.h). In the order connections, roles, static roles.
std::vector<Advice> advice_on(const Wanted& wanted);

}  // namespace sallyport::secrets::vault::engine
