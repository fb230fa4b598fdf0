// What all sources of AWS read in a reference, and what they consume. Private to this folder.
#pragma once

#include "secrets/attributes.h"
#include "secrets/aws/settings.h"
#include "secrets/source.h"

#include <string>
#include <string_view>

namespace sallyport::secrets::aws {

/// Attributes of all references that need an AWS identity.
inline constexpr auto identity_attributes = std::to_array<Attribute>(
    {{"region", Effect::selects}, {"profile", Effect::selects}, {"insecure_reason", Effect::weakens}});

/// What those say. `known`: the source's whole table, identity_attributes included.
/// Errors  bad_config.
Result<Choice> choice_of(const Reference& reference, Attributes known, std::string where);

/// Where `locator` is an ARN its region counts, and region= may only repeat it.
/// Errors  bad_config.
Result<void> take_region_of_arn(std::string_view locator, std::string_view service, Choice& choice);

/// Variables and files of the chain; the same for every source.
Authority identity_authority();

/// Of a reference or of one of its parts.
Error wrong_reference(std::string where, std::string what, std::string hint);

}  // namespace sallyport::secrets::aws
