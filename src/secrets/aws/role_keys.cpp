// Profiles with role_arn: keys of another profile or source, exchanged for a role's, as often as profiles name one
// another.
#include "base/ascii.h"
#include "secrets/aws/sts.h"

#include <algorithm>
#include <charconv>

namespace sallyport::secrets::aws {

namespace {

constexpr std::size_t chain_max = 8;

/// A profile that other keys stand behind. With a token file it is web identity's.
bool is_role(const Profiles& files, const std::string& profile) {
  return files.has(profile, "role_arn") && !files.has(profile, "web_identity_token_file");
}

bool has_static_keys(const Profiles& files, const std::string& profile) {
  return files.has(profile, "aws_access_key_id") || files.has(profile, "aws_secret_access_key");
}

Result<std::string> text_of(const Settings& settings, const std::string& provider, const std::string& profile,
                            std::string_view key) {
  auto text = settings.profiles->text(profile, key);
  if (!text) return failed(settings, provider, std::move(text).error());
  return text;
}

Result<void> check_duration(const Settings& settings, const std::string& provider, const std::string& text) {
  unsigned seconds = 0;
  const auto* end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, seconds);
  if (text.empty() || (error == std::errc{} && stop == end && seconds >= 900 && seconds <= 43'200)) return {};
  return failed(settings, provider, ErrorCode::bad_config, "duration_seconds is no number from 900 to 43200",
                "Correct it in the profile");
}

class RoleChain {
 public:
  RoleChain(Inquiry& ask, const Settings& settings, Search& search)
      : ask_(ask), settings_(settings), search_(search) {}

  /// The keys of `profile`'s role.
  Result<Keys> role(const std::string& profile) {
    const auto provider = "profile " + profile + " (assume role)";
    visited_.push_back(profile);
    auto checked = check(profile, provider);
    if (!checked) return std::move(checked).error();
    auto source = source_keys(profile, provider);
    if (!source) return std::move(source).error();
    Role role;
    for (const auto& [key, field] :
         {std::pair{"role_arn", &Role::arn}, std::pair{"role_session_name", &Role::session_name},
          std::pair{"external_id", &Role::external_id},
          std::pair{"duration_seconds", &Role::duration_seconds}}) {
      auto text = text_of(settings_, provider, profile, key);
      if (!text) return std::move(text).error();
      role.*field = std::move(*text);
    }
    if (auto fit = check_duration(settings_, provider, role.duration_seconds); !fit)
      return std::move(fit).error();
    search_.local = false;
    return assume_role(ask_, settings_, search_, role, *source, provider);
  }

 private:
  Result<void> check(const std::string& profile, const std::string& provider) const {
    const auto& files = *settings_.profiles;
    const auto wrong = [&](std::string what, std::string hint) {
      return failed(settings_, provider, ErrorCode::bad_config, std::move(what), std::move(hint));
    };
    if (visited_.size() > chain_max)
      return wrong("more than 8 profiles stand one behind the other", "Shorten it");
    if (files.has(profile, "mfa_serial")) {
      return wrong(
          "mfa_serial asks for a code that a person types, which a service cannot",
          "Use a role without MFA; or sign in first and hand the keys on: `aws configure export-credentials "
          "--profile " +
              profile + " --format env`");
    }
    const bool from_profile = files.has(profile, "source_profile");
    const bool from_source = files.has(profile, "credential_source");
    if (from_profile && from_source)
      return wrong("has both source_profile and credential_source", "Leave out the one or the other");
    if (!from_profile && !from_source)
      return wrong("has a role_arn, and neither source_profile nor credential_source",
                   "Add the one or the other");
    return {};
  }

  Result<Keys> source_keys(const std::string& profile, const std::string& provider) {
    auto source = text_of(settings_, provider, profile, "credential_source");
    if (!source) return std::move(source).error();
    if (!source->empty()) return named_source(*source, provider);
    auto other = text_of(settings_, provider, profile, "source_profile");
    if (!other) return std::move(other).error();
    const auto& files = *settings_.profiles;
    if (!files.has(*other)) {
      return failed(settings_, provider, ErrorCode::bad_config,
                    "there is no profile " + *other + ", its source_profile",
                    "Correct the name, or add the profile");
    }
    const bool seen = std::find(visited_.begin(), visited_.end(), *other) != visited_.end();
    if (seen && (*other != profile || !has_static_keys(files, *other))) return loop(*other, provider);
    if (is_role(files, *other) && !has_static_keys(files, *other)) return role(*other);
    auto found = profile_keys(ask_, settings_, search_, *other, false);
    if (!found) return std::move(found).error();
    if (*found) return std::move(**found);
    return failed(settings_, provider, ErrorCode::bad_config, "its source_profile " + *other + " has no keys",
                  "`aws configure --profile " + *other + "` writes some");
  }

  [[nodiscard]] Error loop(const std::string& again, const std::string& provider) const {
    std::string way;
    for (const auto& name : visited_) way += name + " -> ";
    return failed(settings_, provider, ErrorCode::bad_config,
                  "source_profile goes in a circle: " + way + again,
                  "One of these profiles needs keys of its own");
  }

  Result<Keys> named_source(const std::string& source, const std::string& provider) {
    const auto before = search_.tried.size();
    Offer offer = std::optional<Keys>{};
    if (source == "Environment") {
      offer = environment_keys(ask_, settings_, search_);
    } else if (source == "EcsContainer") {
      offer = container_keys(ask_, settings_, search_);
    } else if (source == "Ec2InstanceMetadata") {
      offer = instance_keys(ask_, settings_, search_);
    } else {
      return failed(settings_, provider, ErrorCode::bad_config, "its credential_source is none that is known",
                    "Write Environment, EcsContainer or Ec2InstanceMetadata");
    }
    if (!offer) return std::move(offer).error();
    if (*offer) return std::move(**offer);
    const auto reason = search_.tried.size() > before ? search_.tried.back().reason : "";
    return failed(settings_, provider, search_.timed_out ? ErrorCode::timed_out : ErrorCode::bad_config,
                  "its credential_source " + source + " gives no keys: " + reason, "");
  }

  Inquiry& ask_;
  const Settings& settings_;
  Search& search_;
  std::vector<std::string> visited_;
};

}  // namespace

Offer role_keys(Inquiry& ask, const Settings& settings, Search& search) {
  const auto& profile = settings.profile;
  if (!settings.profiles->has(profile)) return std::optional<Keys>{};  // profile_keys() says so
  if (!is_role(*settings.profiles, profile))
    return nothing(search, "profile " + profile + " (assume role)", "has no role_arn");
  auto keys = RoleChain{ask, settings, search}.role(profile);
  if (!keys) return std::move(keys).error();
  return std::optional{std::move(*keys)};
}

}  // namespace sallyport::secrets::aws
