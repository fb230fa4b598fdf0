// What orchestrators ask: does it live, has it started, may it be sent work. Nothing secret stands in the answers,
// which on TCP anybody may read: names of the configuration and words of ours.
#pragma once

#include "broker/status.h"

#include <string>
#include <string_view>

namespace sallyport::admin {

struct Health {
  bool good = false;
  std::string text;  ///< one line for each check
};

/// A status came from the relay loop, within the deadline. Null: none did.
Health live(const broker::Status* status);
/// The configuration was applied, and all routes listen.
Health started(const broker::Status* status);
/// New sessions can be served: started, not draining, the trail can be written (or need not), and each role's
/// credential is present.
Health ready(const broker::Status* status, bool trail_required);

}  // namespace sallyport::admin
