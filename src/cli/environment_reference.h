// A reference that the environment gave us: whoever writes the environment may say where the secret is and which
// database it is for, but neither make us run a program nor weaken a check (threats 1, 3, 14). What may do that is
// said where the operator says things: on the command line or in the configuration.
#pragma once

#include "base/result.h"

#include <string>
#include <string_view>

namespace sallyport::cli {

/// Errors  bad_config, hop config, where = `variable`: the scheme or the attribute that the environment may not say,
///         and where to say it; values are not shown, but for a TLS mode.  Else as secrets::parse_reference.
Result<void> check_environment_reference(const std::string& variable, std::string_view text);

}  // namespace sallyport::cli
