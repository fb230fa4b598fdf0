// `roles` and `static_roles` of a file for `sallyport vault`, and what reading them shares with the rest of it.
#pragma once

#include "config/vault_file.h"

namespace sallyport::config {

/// Reads both into `file.wanted`, whose connections are known. `config`: may be null.
void read_vault_roles(const Node& root, const Config* config, VaultFile& file, Problems& problems);

/// The entries below `key` that are maps and right so far.
std::vector<const Entry*> maps_below(const Node& root, std::string_view key);

/// One text or the elements of a list.
std::vector<std::string> texts_of(const Node& map, std::string_view key);

/// A duration that the table has checked; none: it is not there.
std::optional<std::int64_t> seconds_of(const Node& map, std::string_view key);

}  // namespace sallyport::config
