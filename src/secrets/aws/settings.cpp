// Variables first and files last: a step runs again for each answer, and only what follows the files parses them again.
#include "secrets/aws/settings.h"

#include "base/ascii.h"

#include <array>
#include <tuple>

namespace sallyport::secrets::aws {

namespace {

constexpr std::array<std::pair<Service, std::string_view>, 4> services{
    {{Service::secretsmanager, "secrets_manager"},
     {Service::ssm, "ssm"},
     {Service::sts, "sts"},
     {Service::sso, "sso"}}};

/// `where` becomes the reference's; what it was begins the text.
Error located(Error error, const std::string& where) {
  if (error.where != where && !error.where.empty()) error.what = error.where + ": " + error.what;
  error.where = where;
  error.hop = Hop::secret_source;
  return error;
}

/// The first of `names` that is set, and its name.
Result<std::pair<std::string, std::string>> first_of(Inquiry& ask, std::initializer_list<const char*> names) {
  for (const auto* name : names) {
    auto value = ask.text(name);
    if (!value) return std::move(value).error();
    if (!value->empty()) return std::pair{std::move(*value), std::string{name}};
  }
  return std::pair<std::string, std::string>{};
}

/// `~/` is the home directory; else the path as it is.
std::string expanded(std::string path, const std::string& home) {
  if (path == "~" || path.starts_with("~/")) path.replace(0, 1, home);
  return path;
}

/// What the environment says of one service, and which of it was said at all.
struct Said {
  EndpointOptions options;
  bool fips = false;
  bool dual_stack = false;
  bool sts = false;
  bool urls_ignored = false;
};

Result<Said> said_of(Inquiry& ask, Service service) {
  auto options = read_endpoint_options(ask, service);
  if (!options) return std::move(options).error();
  Said said{std::move(*options)};
  said.fips = ask.variable("AWS_USE_FIPS_ENDPOINT") != nullptr;
  said.dual_stack = ask.variable("AWS_USE_DUALSTACK_ENDPOINT") != nullptr;
  said.sts = ask.variable("AWS_STS_REGIONAL_ENDPOINTS") != nullptr;
  auto ignored = ask.text("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS");
  if (!ignored) return std::move(ignored).error();
  said.urls_ignored = equal_but_for_case(*ignored, "true");
  return said;
}

/// Where a service was started is nobody's intention.
Result<void> check_absolute(const std::string& path) {
  if (path.starts_with('/')) return {};
  return Error{ErrorCode::bad_config,
               Hop::environment,
               "AWS_CONFIG_FILE or AWS_SHARED_CREDENTIALS_FILE",
               "is no absolute path",  // not shown: it may be anything
               "Write it from / or ~/ on",
               {}};
}

/// A file that is not there is an empty one.
Result<IniFile> ini_file(Inquiry& ask, const std::string& path) {
  if (path.empty()) return IniFile{};
  if (auto checked = check_absolute(path); !checked) return std::move(checked).error();
  // Whether others may read it matters only if a secret in it is used (profile_keys.cpp asks again).
  auto read = ask.file({path, profile_file_bytes_max, FileTrust::only_we_write});
  if (read) return IniFile::parse(**read, path);
  auto error = std::move(read).error();
  if (error.code == ErrorCode::not_found) return IniFile{};
  error.where = path;
  return error;
}

/// The profile's word where the environment said nothing.
Result<void> add_profile(Settings& settings, Said& said, std::string_view id) {
  const auto& files = *settings.profiles;
  const auto is_true = [&](std::string_view key) {
    return equal_but_for_case(files.value(settings.profile, key), "true");
  };
  auto& options = said.options;
  if (!said.fips) options.fips = is_true("use_fips_endpoint");
  if (!said.dual_stack) options.dual_stack = is_true("use_dualstack_endpoint");
  if (!said.sts && id == "sts")
    options.sts_global = files.value(settings.profile, "sts_regional_endpoints") == "legacy";
  if (said.urls_ignored || is_true("ignore_configured_endpoint_urls") || !options.url.empty()) return {};
  const auto name = "profile " + settings.profile;
  auto section = files.text(settings.profile, "services");
  if (!section) return std::move(section).error();
  if (!section->empty() && !files.has_services(*section)) {
    return Error{ErrorCode::bad_config,
                 Hop::secret_source,
                 name,
                 "names a section `services` that is not there",
                 "Add [services …] to " + files.config().path() + ", or take `services` out of the profile",
                 {}};
  }
  options.url = files.services(*section, id, "endpoint_url");
  options.url_name = name + ": endpoint_url of " + std::string{id};
  if (!options.url.empty()) return {};
  auto url = files.text(settings.profile, "endpoint_url");
  if (!url) return std::move(url).error();
  options.url = std::move(*url);
  options.url_name = name + ": endpoint_url";
  return {};
}

Error no_such_profile(const Settings& settings) {
  const auto names = settings.profiles->names();
  std::string known;
  for (const auto& name : names) {
    if (known.size() < 200) known += (known.empty() ? "" : ", ") + name;
  }
  const auto config = settings.profiles->config().path();
  return {ErrorCode::bad_config,
          Hop::secret_source,
          settings.where,
          "there is no profile " + settings.profile + ", which " + settings.profile_said_by +
              " names; there " + (known.empty() ? "are none" : "are: " + known),
          "Correct the name, or add [profile " + settings.profile + "] to " +
              (config.empty() ? "~/.aws/config" : config) + ": `aws configure --profile " + settings.profile +
              "`",
          {}};
}

Result<Settings> read(Inquiry& ask, const Choice& choice) {
  Settings settings;
  settings.where = choice.where;
  settings.insecure_reason = choice.insecure_reason;
  auto home = ask.text("HOME");
  if (!home) return std::move(home).error();
  settings.home = home->starts_with('/') && *home != "/" ? *home : "";
  // botocore's order of the two; other SDKs know AWS_PROFILE only.
  auto profile = first_of(ask, {"AWS_DEFAULT_PROFILE", "AWS_PROFILE"});
  if (!profile) return std::move(profile).error();
  settings.profile_chosen = !choice.profile.empty();
  if (settings.profile_chosen) profile = std::pair<std::string, std::string>{choice.profile, "?profile="};
  std::tie(settings.profile, settings.profile_said_by) = std::move(*profile);
  if (settings.profile.empty()) settings.profile = "default";
  auto region = first_of(ask, {"AWS_REGION", "AWS_DEFAULT_REGION"});
  if (!region) return std::move(region).error();
  if (!choice.region.empty()) region = std::pair<std::string, std::string>{choice.region, "?region="};
  std::tie(settings.region, settings.region_said_by) = std::move(*region);
  auto bundle = ask.text("AWS_CA_BUNDLE");
  if (!bundle) return std::move(bundle).error();
  settings.ca_bundle = expanded(std::move(*bundle), settings.home);
  std::vector<Said> said;
  for (const auto& [service, id] : services) {
    auto one = said_of(ask, service);
    if (!one) return std::move(one).error();
    said.push_back(std::move(*one));
  }
  const auto path_of = [&](const char* variable, const char* usual) -> Result<std::string> {
    auto path = ask.text(variable);
    if (!path) return std::move(path).error();
    if (path->empty() && !settings.home.empty()) return settings.home + usual;
    return expanded(std::move(*path), settings.home);
  };
  auto config_path = path_of("AWS_CONFIG_FILE", "/.aws/config");
  if (!config_path) return std::move(config_path).error();
  auto credentials_path = path_of("AWS_SHARED_CREDENTIALS_FILE", "/.aws/credentials");
  if (!credentials_path) return std::move(credentials_path).error();

  auto config = ini_file(ask, *config_path);
  if (!config) return std::move(config).error();
  auto credentials = ini_file(ask, *credentials_path);
  if (!credentials) return std::move(credentials).error();
  settings.profiles = std::make_shared<const Profiles>(std::move(*config), std::move(*credentials));
  if (!settings.profile_said_by.empty() && !settings.profiles->has(settings.profile))
    return no_such_profile(settings);
  if (settings.region.empty()) {
    auto own = settings.profiles->text(settings.profile, "region");
    if (!own) return std::move(own).error();
    settings.region = std::move(*own);
    if (!settings.region.empty()) settings.region_said_by = "profile " + settings.profile;
  }
  if (!settings.region.empty()) {
    if (auto checked = check_region(settings.region, settings.region_said_by); !checked)
      return std::move(checked).error();
  }
  if (settings.ca_bundle.empty()) {
    auto own = settings.profiles->text(settings.profile, "ca_bundle");
    if (!own) return std::move(own).error();
    settings.ca_bundle = expanded(std::move(*own), settings.home);
  }
  for (std::size_t i = 0; i < services.size(); ++i) {
    if (auto added = add_profile(settings, said[i], services[i].second); !added)
      return std::move(added).error();
    settings.endpoints[services[i].first] = std::move(said[i].options);
  }
  return settings;
}

}  // namespace

Result<Settings> read_settings(Inquiry& ask, const Choice& choice) {
  auto settings = read(ask, choice);
  if (!settings) return located(std::move(settings).error(), choice.where);
  return settings;
}

Result<Endpoint> Settings::endpoint(Service service, const std::string& in_region) const {
  const auto options = endpoints.find(service);
  auto found = endpoint_of(service, in_region.empty() ? region : in_region,
                           options == endpoints.end() ? EndpointOptions{} : options->second, insecure_reason);
  if (!found) return located(std::move(found).error(), where);
  return found;
}

const std::vector<std::string>& identity_variables() {
  static const std::vector<std::string> names{
      "AWS_ACCESS_KEY_ID",
      "AWS_SECRET_ACCESS_KEY",
      "AWS_SESSION_TOKEN",
      "AWS_SECURITY_TOKEN",
      "AWS_CREDENTIAL_EXPIRATION",
      "AWS_WEB_IDENTITY_TOKEN_FILE",
      "AWS_ROLE_ARN",
      "AWS_ROLE_SESSION_NAME",
      "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
      "AWS_CONTAINER_CREDENTIALS_FULL_URI",
      "AWS_CONTAINER_AUTHORIZATION_TOKEN",
      "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE",
      "AWS_EC2_METADATA_SERVICE_ENDPOINT",
  };
  return names;
}

}  // namespace sallyport::secrets::aws
