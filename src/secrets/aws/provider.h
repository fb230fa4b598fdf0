// A provider of the chain: a function that gives keys, or nothing and says why, or fails because it is configured and
// cannot.
#pragma once

#include "secrets/aws/chain.h"
#include "secrets/json.h"
#include "secrets/web.h"

#include <optional>
#include <string>
#include <string_view>

namespace sallyport::secrets::aws {

using Offer = Result<std::optional<Keys>>;

/// Nothing here: the chain goes on.
Offer nothing(Search& search, std::string provider, std::string reason);

/// An error of this provider; `where` is the reference's, the text begins with the provider's name.
Error failed(const Settings& settings, const std::string& provider, Error error);
Error failed(const Settings& settings, const std::string& provider, ErrorCode code, std::string what,
             std::string hint = {});

/// Names of members that hold keys; the session token's may be another one.
struct KeyNames {
  std::string_view access_key_id = "AccessKeyId";
  std::string_view secret_access_key = "SecretAccessKey";
  std::string_view session_token = "Token";
  std::string_view expiration = "Expiration";  ///< ISO 8601
  bool all_needed = true;                      ///< session token and expiration too
};

/// Keys out of a JSON object, checked.
/// Errors  invalid_message: a member is missing (the text names those that are there) or is none. denied: expired.
Result<Keys> keys_of(JsonView object, const KeyNames& names, Moment now, const Settings& settings,
                     const std::string& provider);

/// Errors  invalid_message: an id that is none, an empty secret key, what no header may hold. denied: expired.
Result<Keys> checked_keys(Keys keys, Moment now, const Settings& settings, const std::string& provider);

/// AWS' clock minus ours by a reply's Date, as far as it matters: up to 30 seconds are the network's. `known`: where it has
/// none.
Duration told_skew(const WebReply& reply, Duration known);

Offer environment_keys(Inquiry& ask, const Settings& settings, Search& search);

/// role_arn with source_profile or credential_source; chains of them.
Offer role_keys(Inquiry& ask, const Settings& settings, Search& search);

/// Of the environment (unless a reference chose the profile) and the profile.
Offer web_identity_keys(Inquiry& ask, const Settings& settings, Search& search, const std::string& profile,
                        bool environment_counts);

Offer sso_keys(Inquiry& ask, const Settings& settings, Search& search, const std::string& profile);

/// aws_access_key_id in the credentials file or in the config file.
Offer static_keys(Inquiry& ask, const Settings& settings, Search& search, const std::string& profile,
                  Profiles::In in);

/// `aws login`: not supported, and said so where a profile has it.
Offer login_keys(const Settings& settings, Search& search, const std::string& profile);

Offer process_keys(Inquiry& ask, const Settings& settings, Search& search, const std::string& profile);

Offer container_keys(Inquiry& ask, const Settings& settings, Search& search);
inline constexpr std::string_view instance_provider = "IMDS";
Offer instance_keys(Inquiry& ask, const Settings& settings, Search& search);

/// The providers of one profile in their order, but for its role.
Offer profile_keys(Inquiry& ask, const Settings& settings, Search& search, const std::string& profile,
                   bool environment_counts);

}  // namespace sallyport::secrets::aws
