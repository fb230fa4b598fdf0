// From a Secret's `data` (a flat map of keys to base64) to a user and a password.
//
// Without #KEY the keys are the members of an object as shape.h reads it. Operators name them in a few ways: CloudNativePG,
// Zalando's, Crunchy's and Percona's are shape.h's own names; here come a client certificate (tls.crt, tls.key:
// cert-manager, CloudNativePG), Crossplane's and KubeBlocks' `endpoint`, and the variables of container images
// (POSTGRES_USER, PGUSER, DB_USER, …).
#pragma once

#include "secrets/shape.h"

#include <string>
#include <string_view>

namespace sallyport::secrets::kubernetes {

/// `#KEY` is a key of `data`; `#KEY.path` may also be a path into a key's JSON. A value's last newline is left out.
///
/// Errors  not_found: no such key; names the keys that there are.  invalid_message: no base64; no text; as shape.h.
Result<Fetched> shape_data(JsonView data, const ShapeOptions& options, const std::string& where);

/// The names of `data`, as far as they may be shown: "password, username".
std::string names_of(JsonView data);

}  // namespace sallyport::secrets::kubernetes
