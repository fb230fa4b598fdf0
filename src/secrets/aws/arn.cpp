#include "secrets/aws/arn.h"

#include "secrets/aws/endpoints.h"

#include <algorithm>

namespace sallyport::secrets::aws {

Result<std::optional<Arn>> parse_arn(std::string_view text, std::string_view service,
                                     const std::string& where) {
  if (!text.starts_with("arn:")) return std::optional<Arn>{};
  const auto wrong = [&](std::string what) {
    return Error{ErrorCode::bad_config,
                 Hop::reference,
                 where,
                 std::move(what),
                 "Copy the whole ARN, for example arn:aws:" + std::string{service} +
                     (service == "ssm" ? ":eu-west-1:123456789012:parameter/prod/db"
                                       : ":eu-west-1:123456789012:secret:prod/db-AbCdEf"),
                 {}};
  };
  Arn arn;
  std::string_view rest = text.substr(4);
  for (auto* part : {&arn.partition, &arn.service, &arn.region, &arn.account}) {
    const auto colon = rest.find(':');
    if (colon == std::string_view::npos) return wrong("an ARN that is cut off");
    *part = rest.substr(0, colon);
    rest.remove_prefix(colon + 1);
  }
  arn.resource = rest;
  if (arn.resource.empty()) return wrong("an ARN that is cut off");
  if (arn.service != service) return wrong("an ARN of " + arn.service + ", not of " + std::string{service});
  if (!check_region(arn.region, "ARN")) return wrong("an ARN whose region is none");
  if (partition_of(arn.region).name != arn.partition) {
    return wrong("an ARN whose region " + arn.region + " is not in its partition " + arn.partition);
  }
  return std::optional{std::move(arn)};
}

}  // namespace sallyport::secrets::aws
