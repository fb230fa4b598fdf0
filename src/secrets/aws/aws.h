// The sources of AWS: two managers of secrets, and tokens that a database takes instead of a password.
#pragma once

#include "secrets/source.h"

#include <memory>

namespace sallyport::secrets {

/// `aws-rds-iam:`. No secret: a token of the workload's own identity, good for 15 minutes, one host and one user.
std::unique_ptr<Source> aws_rds_source();

/// `aws-sm:`. Secrets Manager.
std::unique_ptr<Source> aws_secrets_manager_source();

/// `aws-ssm:`. Parameter Store.
std::unique_ptr<Source> aws_parameter_source();

}  // namespace sallyport::secrets
