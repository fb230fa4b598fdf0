// "Did you mean": the known name that a mistyped one is closest to.
#pragma once

#include <span>
#include <string_view>

namespace sallyport::secrets {

/// The name at an edit distance of at most 2 (insert, delete, replace, swap of neighbours), the
/// closest first in order; empty when none is near. Longer than 32 characters is never near.
std::string_view nearest(std::string_view text, std::span<const std::string_view> names);

}  // namespace sallyport::secrets
