// What the user's AWS configuration says, whoever uses it: the profile, its region, endpoints that are set in place of
// AWS' own, and the two profile files themselves.
//
// All AWS tools share these variables and files; botocore is what we keep to where they differ (docs/aws-identity.md).
#pragma once

#include "secrets/aws/endpoints.h"
#include "secrets/aws/profiles.h"
#include "secrets/inquiry.h"

#include <map>
#include <memory>
#include <string>

namespace sallyport::secrets::aws {

/// What a reference's attributes choose.
struct Choice {
  std::string profile;          ///< ?profile=; empty: AWS_DEFAULT_PROFILE, AWS_PROFILE, "default"
  std::string region;           ///< ?region=; empty: AWS_REGION, AWS_DEFAULT_REGION, the profile's
  std::string insecure_reason;  ///< ?insecure_reason=
  std::string where;            ///< for errors: "aws-sm:prod/db"
};

struct Settings {
  std::string profile = "default";
  std::string profile_said_by;  ///< "?profile=", "AWS_PROFILE"; empty: nobody, it is "default"
  bool profile_chosen =
      false;           ///< by the reference: environment keys do not count then (AWS_PROFILE alone: they do)
  std::string region;  ///< empty: nobody says
  std::string region_said_by;  ///< "?region=", "AWS_REGION", "profile app"
  std::shared_ptr<const Profiles> profiles = std::make_shared<Profiles>();
  std::string
      ca_bundle;  ///< AWS_CA_BUNDLE or the profile's ca_bundle, for HttpRequest::ca_file; empty: the system's
  std::string home;  ///< $HOME without a last slash
  std::string insecure_reason;
  std::string where;
  std::map<Service, EndpointOptions> endpoints;  ///< of each service: the environment's, then the profile's

  /// Where `service` is in `in_region` (empty: ours).
  /// Errors  bad_config as endpoint_of(): `where` is the reference's.
  [[nodiscard]] Result<Endpoint> endpoint(Service service, const std::string& in_region = {}) const;
};

/// Asks for variables, then the two profile files; no request.
///
/// Errors  bad_config: a file that is no profile file (its line is named), a chosen profile that neither has, a region
///         that is none. `where` begins with choice.where.
Result<Settings> read_settings(Inquiry& ask, const Choice& choice);

/// Variables that the chain consumes and that are secret or lead to a secret.
const std::vector<std::string>& identity_variables();

}  // namespace sallyport::secrets::aws
