// AWS Signature Version 4: of a request's headers, and of a URL whose query carries the signature.
//
// Pure: the time is given. What is signed is the request as it will be sent: method, path, query, every header but those
// that proxies may change, and the body. Paths are normalised and encoded once more, as all services but S3 want it.
// Source: AWS General Reference, "Signature Version 4 signing process"; proved by AWS's own test suite and botocore.
#pragma once

#include "base/conversation.h"
#include "secrets/aws/keys.h"

#include <string>
#include <string_view>

namespace sallyport::secrets::aws {

/// What a signature is good for.
struct Scope {
  std::string region;   ///< "eu-west-1"
  std::string service;  ///< "sts", "secretsmanager", "ssm", "rds-db"
  WallTime time;        ///< the server's, as far as its skew is known
};

/// Adds X-Amz-Date, X-Amz-Security-Token (temporary keys only) and Authorization; older ones are replaced. Headers that
/// are added afterwards are not signed. Host is the URL's, without a default port, unless a header says another.
void sign(HttpRequest& request, const Keys& keys, const Scope& scope);

/// The URL with the signature in its query, good for `life` seconds after scope.time; the body is empty and the only
/// signed header is Host. What is in the URL's query stays in front, as it is.
Secret presign(std::string_view method, std::string_view url, const Keys& keys, const Scope& scope,
               std::chrono::seconds life);

/// The first half of a signature: for tests, and for whoever compares with another signer.
WipedBytes canonical_request(const HttpRequest& request);
std::string string_to_sign(Bytes canonical, const Scope& scope);

/// Percent-encodes all but letters, digits and `-_.~` (and `/` where `keep_slash`).
std::string uri_encode(std::string_view text, bool keep_slash = false);

}  // namespace sallyport::secrets::aws
