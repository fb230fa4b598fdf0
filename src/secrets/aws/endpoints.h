// Where AWS's services are: partitions, regions, FIPS, dual-stack, and what the environment says instead.
//
// AWS publishes rules as a small language; for the few services that we ask, all that is left of it is a table of
// partitions and a handful of exceptions (test/secrets/aws_endpoints.json is botocore's opinion of each).
#pragma once

#include "secrets/inquiry.h"

#include <optional>
#include <string>
#include <string_view>

namespace sallyport::secrets::aws {

enum class Service { secretsmanager, ssm, sts, sso };

/// As a signature names it: "secretsmanager".
std::string_view signing_name(Service service);

struct Partition {
  std::string_view name;               ///< "aws", "aws-cn"
  std::string_view dns_suffix;         ///< "amazonaws.com"
  std::string_view dual_stack_suffix;  ///< "api.aws"
};

/// Of a region's name; one that nobody knows is in "aws".
const Partition& partition_of(std::string_view region);

/// A label of a host name: what a region is not, is not put into one.
/// Errors  bad_config; `said_by` names the setting.
Result<void> check_region(std::string_view region, std::string_view said_by);

/// The region in the name of an RDS or Aurora endpoint (*.REGION.rds.amazonaws.com and its like in each partition);
/// empty: it is none.
std::string region_of_rds_host(std::string_view host);

struct EndpointOptions {
  bool fips = false;
  bool dual_stack = false;
  bool sts_global = false;  ///< AWS_STS_REGIONAL_ENDPOINTS=legacy
  std::string url;          ///< a configured one; empty: AWS's own
  std::string url_name;     ///< which variable or key said so
};

struct Endpoint {
  std::string url;             ///< "https://sts.eu-west-1.amazonaws.com", without a slash at the end
  std::string signing_region;  ///< of a global endpoint another than the one asked for
  bool plain_http = false;     ///< a literal loopback address, for a stated reason
};

/// What the environment says: AWS_USE_FIPS_ENDPOINT, AWS_USE_DUALSTACK_ENDPOINT, AWS_STS_REGIONAL_ENDPOINTS,
/// AWS_ENDPOINT_URL_<SERVICE>, AWS_ENDPOINT_URL, AWS_IGNORE_CONFIGURED_ENDPOINT_URLS.
/// Errors  bad_config, `where` the variable.
Result<EndpointOptions> read_endpoint_options(Inquiry& ask, Service service);

/// The names of these variables.
std::vector<std::string> endpoint_variables();

/// Pure. `region` has passed check_region(). `insecure_reason`: of the reference; plain http needs one.
/// Errors  bad_config: a configured address that is none, plain http beyond a literal loopback address or without a
///         reason, or FIPS or dual-stack beside a configured address, of which nobody knows whether it is either.
Result<Endpoint> endpoint_of(Service service, std::string_view region, const EndpointOptions& options,
                             std::string_view insecure_reason);

}  // namespace sallyport::secrets::aws
