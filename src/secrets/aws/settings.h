// What the user's AWS configuration says, whoever uses it: the profile, its region, endpoints that are set in place of
// AWS' own, and the two profile files themselves.
//
// All AWS tools share these variables and files; botocore is what we keep to where they differ (docs/aws-identity.md).
// An endpoint that is set may only be https, or http to a loopback literal when the reference says why: requests to it
// carry signatures and session tokens (threat 12).
#pragma once

#include "secrets/aws/profiles.h"
#include "secrets/inquiry.h"

#include <map>
#include <memory>
#include <string>
#include <string_view>

namespace sallyport::secrets::aws {

/// What a reference's attributes choose.
struct Choice {
  std::string profile;            ///< ?profile=; empty: AWS_PROFILE, AWS_DEFAULT_PROFILE, "default"
  std::string region;             ///< ?region=; empty: AWS_REGION, AWS_DEFAULT_REGION, the profile's
  bool insecure_allowed = false;  ///< ?insecure_reason= is there
  std::string where;              ///< for errors: "aws-sm:prod/db"
};

struct Settings {
  std::string profile = "default";
  bool profile_chosen =
      false;  ///< by the reference: environment keys do not count then (AWS_PROFILE alone: they do)
  bool profile_named = false;  ///< by anything: it must exist
  std::string region;          ///< empty: nobody says
  bool fips = false;
  bool dualstack = false;
  bool sts_global = false;  ///< sts_regional_endpoints = legacy
  /// By service ("secretsmanager", "ssm", "sts", "sso"): checked URLs without a last slash.
  std::map<std::string, std::string, std::less<>> endpoint_urls;
  std::shared_ptr<const Profiles> profiles;
  std::string
      ca_bundle;  ///< a file of authorities instead of the system's (AWS_CA_BUNDLE, ca_bundle); for HttpRequest::ca_file
  std::string where;
  bool insecure_allowed = false;
  std::string home;

  /// The URL that is set for a service; empty: none, use AWS' own.
  [[nodiscard]] std::string endpoint_url(std::string_view service) const {
    const auto at = endpoint_urls.find(service);
    return at == endpoint_urls.end() ? std::string{} : at->second;
  }
};

/// Asks for variables, then the two profile files; no request.
///
/// Errors  bad_config: a file that is no profile file (its line is named), a named profile that neither has, an endpoint
///         that is not allowed. `where` begins with choice.where.
Result<Settings> read_settings(Inquiry& ask, const Choice& choice);

/// An endpoint's URL as configured: https, or http to a loopback literal with `insecure_allowed`; no user, query or
/// fragment. Returned without a last slash.
/// Errors  bad_config, `where` is `variable`: with the fix.
Result<std::string> checked_endpoint(std::string_view url, std::string_view variable, bool insecure_allowed);

/// A request to an endpoint of ours that is plain http passed checked_endpoint().
inline bool is_plain_http(std::string_view url) { return url.starts_with("http://"); }

}  // namespace sallyport::secrets::aws
