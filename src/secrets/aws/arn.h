// Amazon Resource Names, as far as a reference may hold one.
#pragma once

#include "base/result.h"

#include <optional>
#include <string>
#include <string_view>

namespace sallyport::secrets::aws {

struct Arn {
  std::string partition;  ///< "aws"
  std::string service;    ///< "secretsmanager"
  std::string region;
  std::string account;
  std::string resource;  ///< "secret:prod/db-AbCdEf"
};

/// None when `text` does not begin with "arn:".
/// Errors  bad_config, `where` as given: not six parts, another service, a region that is none or not in the partition.
Result<std::optional<Arn>> parse_arn(std::string_view text, std::string_view service,
                                     const std::string& where);

}  // namespace sallyport::secrets::aws
