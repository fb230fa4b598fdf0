// What the kubelet mounts into a pod: the service account's token, and what that says of itself.
//
// The token is a JSON web token. We read its claims to say who we are and never to decide anything: the API server checks
// it, and whoever could forge one here could only deceive themselves.
#pragma once

#include "base/clock.h"
#include "secrets/inquiry.h"

#include <optional>
#include <string>
#include <string_view>

namespace sallyport::secrets::kubernetes {

inline constexpr std::string_view mounted_token = "/var/run/secrets/kubernetes.io/serviceaccount/token";
inline constexpr std::string_view mounted_authorities =
    "/var/run/secrets/kubernetes.io/serviceaccount/ca.crt";
inline constexpr std::string_view mounted_namespace =
    "/var/run/secrets/kubernetes.io/serviceaccount/namespace";

inline constexpr std::size_t token_bytes_max = 16'384;

/// What the kubelet mounts is readable for everybody in the container, unless all of its containers run as one user:
/// nobody outside sees it, so that there it may be so.
bool is_mounted_by_kubelet(std::string_view path);

/// Reads a JSON web token anew. One word of printable ASCII, without the white space around it.
/// Errors  as the file's; bad_config: no token in it. The path is named.
Result<Secret> read_web_token(Inquiry& ask, const std::string& path, const std::string& where);

struct Claims {
  std::string subject;              ///< "system:serviceaccount:prod:app"; printable or empty
  std::string name_space;           ///< of a service account; else empty
  std::string account;              ///< likewise
  std::optional<WallTime> expires;  ///< none: never, or not said
};

/// None of it, when the token is none that can be read.
Claims claims_of(const Secret& token);

}  // namespace sallyport::secrets::kubernetes
