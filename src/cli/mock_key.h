// What unknown names of password logins are answered from: one key for each installation, kept in the state
// directory, so that a name that does not exist has the same salt today and after a restart, as one that does
// (threat 18).
#pragma once

#include "base/clock.h"
#include "base/result.h"

#include <array>
#include <cstdint>
#include <string>

namespace sallyport::cli {

using MockKey = std::array<std::uint8_t, 32>;

/// Made at first use, in STATE/passwords/unknown-names.key (0600, its directory 0700).
/// Errors  bad_config: the directory is open to others, the file is not ours or too short; internal; retry_later:
///         another process is making it.
Result<MockKey> load_mock_key(const std::string& state_directory, Randomness& randomness);

}  // namespace sallyport::cli
