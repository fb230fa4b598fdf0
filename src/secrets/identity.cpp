#include "secrets/identity.h"

namespace sallyport::secrets {

std::string list_of(const std::vector<Tried>& tried) {
  std::string out;
  for (const auto& [provider, reason] : tried) out += (out.empty() ? "" : "; ") + provider + ": " + reason;
  return out;
}

}  // namespace sallyport::secrets
