// What all sources of AWS read in a reference, and what they consume. Private to this folder.
#pragma once

#include "secrets/aws/settings.h"
#include "secrets/source.h"

#include <span>
#include <string>
#include <string_view>

namespace sallyport::secrets::aws {

/// region=, profile= and insecure_reason=. `own`: the source's attributes besides.
/// Errors  bad_config.
Result<Choice> choice_of(const Reference& reference, std::span<const std::string_view> own,
                         std::string where);

/// Where `locator` is an ARN its region counts, and region= may only repeat it.
/// Errors  bad_config.
Result<void> take_region_of_arn(std::string_view locator, std::string_view service, Choice& choice);

/// Variables and files of the chain; the same for every source.
Authority identity_authority();

/// Of a reference or of one of its parts.
Error wrong_reference(std::string where, std::string what, std::string hint);

}  // namespace sallyport::secrets::aws
