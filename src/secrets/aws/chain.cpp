// The order is botocore's (botocore/credentials.py, create_credential_resolver), but for its two oldest providers, files
// of tools that are gone.
#include "secrets/aws/chain.h"

#include "secrets/aws/provider.h"

namespace sallyport::secrets::aws {

namespace {

/// What to do, by what the user seems to have wanted.
std::string advice(const Settings& settings) {
  return "Set AWS_PROFILE (and `aws sso login --profile NAME`) or keys in the environment; on AWS give the "
         "task, service "
         "account or instance a role" +
         std::string{settings.profile_chosen ? "; or leave ?profile= out" : ""};
}

/// Says which profile stayed unasked because the environment's keys come first, and how to choose.
void note_unasked_profile(const Settings& settings, Search& search) {
  if (settings.profile_said_by.empty()) return;
  search.tried.push_back({"profile " + settings.profile,
                          "not asked although " + settings.profile_said_by +
                              " names it: keys in the environment come first; ?profile=" + settings.profile +
                              " in the reference chooses it, or unset AWS_ACCESS_KEY_ID"});
}

Offer ask_all(Inquiry& ask, const Settings& settings, Search& search) {
  if (settings.profile_chosen) {
    (void)nothing(search, "environment", "not asked: the reference chooses a profile");
  } else {
    auto offer = environment_keys(ask, settings, search);
    if (offer && *offer) note_unasked_profile(settings, search);
    if (!offer || *offer) return offer;
  }
  auto offer = role_keys(ask, settings, search);
  if (!offer || *offer) return offer;
  offer = profile_keys(ask, settings, search, settings.profile, !settings.profile_chosen);
  if (!offer || *offer) return offer;
  offer = container_keys(ask, settings, search);
  if (!offer || *offer) return offer;
  return instance_keys(ask, settings, search);
}

}  // namespace

Offer profile_keys(Inquiry& ask, const Settings& settings, Search& search, const std::string& profile,
                   bool environment_counts) {
  auto offer = web_identity_keys(ask, settings, search, profile, environment_counts);
  if (!offer || *offer) return offer;
  // One line for a profile that is not there instead of five.
  if (!settings.profiles->has(profile)) {
    const auto& config = settings.profiles->config().path();
    const auto& credentials = settings.profiles->credentials().path();
    const auto files =
        config.empty() && credentials.empty()
            ? "there are no profile files"
            : "it is not in " + config + (config.empty() || credentials.empty() ? "" : " or ") + credentials;
    return nothing(search, "profile " + profile, files);
  }
  offer = sso_keys(ask, settings, search, profile);
  if (!offer || *offer) return offer;
  offer = static_keys(ask, settings, search, profile, Profiles::In::credentials);
  if (!offer || *offer) return offer;
  offer = login_keys(settings, search, profile);
  if (!offer || *offer) return offer;
  offer = process_keys(ask, settings, search, profile);
  if (!offer || *offer) return offer;
  return static_keys(ask, settings, search, profile, Profiles::In::config);
}

Result<Keys> find_keys(Inquiry& ask, const Settings& settings, Search& search) {
  auto offer = ask_all(ask, settings, search);
  if (!offer) {
    auto error = std::move(offer).error();
    const auto split = error.what.find(": ");
    search.ended_by = split == std::string::npos
                          ? Tried{"chain", error.what}
                          : Tried{error.what.substr(0, split), error.what.substr(split + 2)};
    // Nobody configures it; so whoever meant another provider must see what became of that.
    if (search.ended_by->provider == instance_provider) error.what += "; before it: " + list_of(search.tried);
    return error;
  }
  if (*offer) return std::move(**offer);
  return Error{
      search.timed_out ? ErrorCode::timed_out : ErrorCode::bad_config, Hop::secret_source, settings.where,
      "no AWS identity; asked were " + list_of(search.tried),          advice(settings),   {}};
}

}  // namespace sallyport::secrets::aws
