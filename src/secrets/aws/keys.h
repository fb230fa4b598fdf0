// The keys that sign a request to AWS.
#pragma once

#include "base/clock.h"
#include "base/secret.h"

#include <optional>
#include <string>

namespace sallyport::secrets::aws {

struct Keys {
  std::string access_key_id;
  Secret secret_access_key;
  Secret session_token;             ///< empty: long-lived keys
  std::optional<WallTime> expires;  ///< none: never, or not known
  std::string provider;             ///< "environment", "profile app (assume role)", "IMDS", …

  [[nodiscard]] Keys clone() const {
    return {access_key_id, secret_access_key.clone(), session_token.clone(), expires, provider};
  }
};

}  // namespace sallyport::secrets::aws
