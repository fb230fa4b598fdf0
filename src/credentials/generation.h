// One credential that a slot has fetched, with the number that every upstream connection made with it carries.
#pragma once

#include "base/clock.h"
#include "base/credential.h"
#include "secrets/source.h"

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace sallyport::credentials {

/// Immutable: what changes while a generation lives (its lease's end, its holders) is the slot's to know.
struct Generation {
  std::uint64_t number = 0;                      ///< grows by one per slot, from 1
  std::shared_ptr<const Credential> credential;  ///< `expires` and `lease` as they were when fetched
  WallTime fetched_at;
  secrets::SuppliedEndpoint endpoint;  ///< what the secret supplied, pinned at the first fetch
  std::shared_ptr<const secrets::Access> access =
      nullptr;                              ///< how its server is reached; null: by host and port
  std::vector<std::string> ignored_fields;  ///< what a secret may not supply and tried to
};

using GenerationPtr = std::shared_ptr<const Generation>;

}  // namespace sallyport::credentials
