// The table's part of checking: unknown keys, wrong types, values out of range, keys of later versions.
#pragma once

#include "config/keys.h"
#include "config/problems.h"

namespace sallyport::config {

/// Walks the whole tree along the table of keys (config/keys.h) and reports what does not fit. After it,
/// a node that is not `wrong` has the shape and kind that the table says, so readers only convert.
void check_against_table(const Node& root, Problems& problems, std::span<const Key> table = all_keys());

}  // namespace sallyport::config
