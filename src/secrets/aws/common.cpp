#include "secrets/aws/common.h"

#include "secrets/attributes.h"
#include "secrets/aws/arn.h"

namespace sallyport::secrets::aws {

Result<Choice> choice_of(const Reference& reference, Attributes known, std::string where) {
  if (auto checked = check_attributes(reference, known); !checked) return std::move(checked).error();
  Choice choice{attribute_of(reference, "profile"), attribute_of(reference, "region"),
                attribute_of(reference, "insecure_reason"), std::move(where)};
  if (!choice.region.empty() && !check_region(choice.region, "region")) {
    return wrong_attribute("region", "is no region", "Write for example region=eu-west-1");
  }
  return choice;
}

Result<void> take_region_of_arn(std::string_view locator, std::string_view service, Choice& choice) {
  auto arn = parse_arn(locator, service, choice.where);
  if (!arn) return std::move(arn).error();
  if (!*arn) return {};
  const auto& region = (*arn)->region;
  if (!choice.region.empty() && choice.region != region) {
    return wrong_reference(choice.where,
                           "wrong region in ARN: it says " + region + ", and region= says " + choice.region,
                           "Leave out region=, or name the secret of " + choice.region);
  }
  choice.region = region;
  return {};
}

Authority identity_authority() {
  Authority out;
  out.variables = identity_variables();
  out.files = {"~/.aws/credentials",           "~/.aws/config",
               "$AWS_SHARED_CREDENTIALS_FILE", "$AWS_CONFIG_FILE",
               "$AWS_WEB_IDENTITY_TOKEN_FILE", "$AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"};
  out.public_files = {"$AWS_CA_BUNDLE"};
  return out;
}

Error wrong_reference(std::string where, std::string what, std::string hint) {
  return {ErrorCode::bad_config, Hop::reference, std::move(where), std::move(what), std::move(hint), {}};
}

}  // namespace sallyport::secrets::aws
