// What `policy explain` prints, as text and as JSON.
#pragma once

#include "config/config.h"
#include "policy/explain.h"

#include <string>

namespace sallyport::cli {

/// What was asked.
struct PolicyQuestion {
  const Route& route;
  const Target& target;
  policy::PeerIdentity identity;
  policy::ClientClaims claims;
  WallTime at{};
  std::string from = {};  ///< as written
};

std::string explanation_text(const PolicyQuestion& question, const policy::Explanation& explanation);
std::string explanation_json(const PolicyQuestion& question, const policy::Explanation& explanation);

/// All rules of a route, nobody asked for.
std::string rules_text(const Route& route, const Target& target);
std::string rules_json(const Route& route, const Target& target);

}  // namespace sallyport::cli
