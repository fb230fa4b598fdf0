// A reference that the environment gave us: whoever writes the environment may say where the secret is and which
// database it is for, but neither make us run a program nor weaken a check (threats 1, 3, 12, 14). What may do that is
// said where the operator says things: on the command line or in the configuration.
#pragma once

#include "base/result.h"

#include <string>
#include <string_view>

namespace sallyport::cli {

/// `fix` says where the operator says it.
///
/// Errors  bad_config, hop config, where = `variable`, hint = `fix`: the scheme or the attribute that the environment may
///         not say; values are not shown, but for a TLS mode.  Else as secrets::parse_reference.
Result<void> check_environment_reference(const std::string& variable, std::string_view text,
                                         const std::string& fix);

/// The fix for whoever runs `exec` or `connect`.
std::string fix_for_exec(const std::string& variable);

}  // namespace sallyport::cli
