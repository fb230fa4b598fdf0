// What `sallyport token` was asked for, checked before any cloud is: a token that is signed for the wrong name is refused
// by the database without a reason.
#pragma once

#include "cli/command.h"
#include "secrets/reference.h"
#include "secrets/source.h"

#include <optional>
#include <string>
#include <vector>

namespace sallyport::cli {

struct TokenWish {
  std::string command;  ///< "aws-rds", "gcp", "azure"
  std::string scheme;   ///< of the source
  std::string host, port, user, region, profile, scope, engine = "postgresql";
  std::vector<std::string> attributes;  ///< --set, "NAME=VALUE"
};

/// An exit code when parsing was all (--help, or an error, which has been told).
std::optional<int> read_token_options(Context& context, const std::vector<std::string>& arguments,
                                      TokenWish& wish);

/// Errors  bad_config: an option's value is none, or --set names what is an option or has no meaning for a token.
Result<secrets::Reference> reference_of(const TokenWish& wish);

/// The host with its port; none where the command has no host. Errors  bad_config.
Result<secrets::Purpose> purpose_of(const TokenWish& wish);

/// A source speaks of a reference's attributes; whoever typed options is told of those: "region=" becomes "--region".
Error in_options(Error error, const TokenWish& wish);

}  // namespace sallyport::cli
