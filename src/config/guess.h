// What a mistyped key was meant to be.
#pragma once

#include "config/keys.h"

#include <string>
#include <string_view>

namespace sallyport::config {

struct Guess {
  std::string meant;  ///< a key that exists below `parent`; empty: no idea
  std::string hint;   ///< what to tell
};

/// `parent` is the table's path ("targets.*") of the map in which `word` stands. Tries what other tools call
/// it, then the nearest key there, then the place where a key of this name does exist.
Guess guess(std::string_view word, std::string_view parent, std::span<const Key> table = all_keys());

}  // namespace sallyport::config
