// No secret may stand in a configuration: it finds passwords written where a reference belongs.
#pragma once

#include "config/problems.h"

#include <string_view>

namespace sallyport::config {

/// True for `password`, `db-passwd`, `api_key`, `secret`, … as a key.
bool is_secret_key(std::string_view key);

/// True for a connection string that carries a password: `scheme://user:password@host`,
/// `…?password=…`, `host=… password=…`, `Server=…;Pwd=…`.
bool holds_password(std::string_view value);

/// Reports every literal password in the whole tree (a reference under such a key is none), and marks the nodes as
/// wrong, so that nothing else is said about them. Never quotes a value.
void refuse_literal_secrets(const Node& root, Problems& problems);

}  // namespace sallyport::config
