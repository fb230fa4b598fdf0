// Our own errors, said in the client's protocol: a FATAL ErrorResponse that psql prints well.
#pragma once

#include "base/error.h"
#include "base/secret.h"

#include <string>
#include <string_view>

namespace sallyport::postgres {

enum class RefusalTexts {
  full,     ///< message, detail naming the hop, hint naming the fix
  general,  ///< before identity is proved: SQLSTATE, a general message, the event id (threat 19)
};

/// The server's own SQLSTATE when the error carries a valid one, else one that fits code and hop:
/// 28000 identity and policy, 08001/08006 upstream and secret source, 53300 limits, 57P03 retry …
std::string sqlstate_of(const Error& error);

/// Appends the ErrorResponse. `event_id` (may be empty) joins it with the trail and the log.
void encode_refusal(WipedBytes& out, const Error& error, RefusalTexts texts = RefusalTexts::full,
                    std::string_view event_id = {});

}  // namespace sallyport::postgres
