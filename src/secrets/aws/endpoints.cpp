#include "secrets/aws/endpoints.h"

#include "base/ascii.h"
#include "secrets/address.h"
#include "secrets/literal_host.h"

#include <algorithm>
#include <array>

namespace sallyport::secrets::aws {

namespace {

struct Rule {
  Partition partition;
  std::string_view prefix;  ///< of its regions
};

// Source: botocore's partitions.json, whose regular expressions differ in their first part only.
constexpr std::array rules{
    Rule{{"aws-us-gov", "amazonaws.com", "api.aws"}, "us-gov-"},
    Rule{{"aws-iso", "c2s.ic.gov", "api.aws.ic.gov"}, "us-iso-"},
    Rule{{"aws-iso-b", "sc2s.sgov.gov", "api.aws.scloud"}, "us-isob-"},
    Rule{{"aws-iso-f", "csp.hci.ic.gov", "api.aws.hci.ic.gov"}, "us-isof-"},
    Rule{{"aws-iso-e", "cloud.adc-e.uk", "api.cloud-aws.adc-e.uk"}, "eu-isoe-"},
    Rule{{"aws-eusc", "amazonaws.eu", "api.amazonwebservices.eu"}, "eusc-"},
    Rule{{"aws-cn", "amazonaws.com.cn", "api.amazonwebservices.com.cn"}, "cn-"},
    Rule{{"aws", "amazonaws.com", "api.aws"}, ""},
};

struct Names {
  std::string_view host;  ///< the first label or labels
  std::string_view signing;
  std::string_view variable;  ///< AWS_ENDPOINT_URL_…
};

constexpr Names names_of(Service service) {
  switch (service) {
    case Service::secretsmanager: return {"secretsmanager", "secretsmanager", "SECRETS_MANAGER"};
    case Service::ssm: return {"ssm", "ssm", "SSM"};
    case Service::sts: return {"sts", "sts", "STS"};
    case Service::sso: return {"portal.sso", "awsssoportal", "SSO"};
  }
  return {};
}

/// Regions whose STS was reached at one global address once, and still is with `legacy`.
constexpr std::array<std::string_view, 16> legacy_regions{
    "ap-northeast-1", "ap-south-1", "ap-southeast-1", "ap-southeast-2", "aws-global", "ca-central-1",
    "eu-central-1",   "eu-north-1", "eu-west-1",      "eu-west-2",      "eu-west-3",  "sa-east-1",
    "us-east-1",      "us-east-2",  "us-west-1",      "us-west-2"};

Error wrong(std::string_view name, std::string what, std::string hint) {
  return {ErrorCode::bad_config, Hop::environment, std::string{name}, std::move(what), std::move(hint), {}};
}

Result<Endpoint> configured(const EndpointOptions& options, std::string_view region,
                            std::string_view reason) {
  if (options.fips || options.dual_stack) {
    return wrong(
        options.url_name,
        std::string{options.fips ? "FIPS" : "dual-stack"} +
            " is asked for beside an address of its own, of which nobody can tell whether it is that",
        "Leave out the one or the other");
  }
  auto address = parse_address(options.url, options.url_name);
  if (!address) {
    auto error = std::move(address).error();
    error.hint = "Write for example https://vpce-1a2b.secretsmanager.eu-west-1.vpce.amazonaws.com";
    return error;
  }
  Endpoint out{to_string(*address), std::string{region}, false};
  if (address->https) {
    if (address->port == 443) out.url = "https://" + address->host;
    return out;
  }
  if (!is_loopback_literal(address->host)) {
    return wrong(options.url_name,
                 "plain http to " + address->host + ", so that whoever stands in between reads the secret",
                 "Use https://; plain http is for a literal loopback address (127.0.0.1) in tests");
  }
  if (reason.empty()) {
    return wrong(options.url_name, "plain http to " + to_string(*address) + " without a reason",
                 "Use https://, or say why not: insecure_reason=… in the reference");
  }
  out.plain_http = true;
  return out;
}

/// The exceptions to SERVICE[-fips].REGION.SUFFIX.
std::string host_of(Service service, std::string_view region, const EndpointOptions& options) {
  const auto& partition = partition_of(region);
  const bool gov = partition.name == "aws-us-gov";
  std::string host{names_of(service).host};
  bool fips_name = options.fips;
  bool dual_suffix = options.dual_stack;
  if (service == Service::secretsmanager) {
    // Its plain names have both address families already (in China not those of FIPS).
    const bool both = partition.name == "aws" || gov || (partition.name == "aws-cn" && !options.fips);
    if (both) dual_suffix = false;
  } else if (gov && !options.dual_stack) {
    fips_name = false;  // all that is there is FIPS
  }
  if (fips_name) host += "-fips";
  return host.append(".").append(region).append(".").append(dual_suffix ? partition.dual_stack_suffix
                                                                        : partition.dns_suffix);
}

Result<bool> flag(Inquiry& ask, const char* name) {
  auto text = ask.text(name);
  if (!text) return std::move(text).error();
  const auto value = to_lower(*text);
  if (value.empty() || value == "false") return false;
  if (value == "true") return true;
  return wrong(name, "is neither true nor false", "Set it to true or false");
}

}  // namespace

std::string_view signing_name(Service service) { return names_of(service).signing; }

const Partition& partition_of(std::string_view region) {
  return std::find_if(rules.begin(), rules.end(),
                      [&](const Rule& one) { return region.starts_with(one.prefix); })
      ->partition;
}

Result<void> check_region(std::string_view region, std::string_view said_by) {
  const bool label = !region.empty() && region.size() <= 63 && region.front() != '-' &&
                     region.back() != '-' && std::all_of(region.begin(), region.end(), [](char c) {
                       return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-';
                     });
  if (label) return {};
  return wrong(said_by, "is no region", "Write for example eu-west-1");
}

std::string region_of_rds_host(std::string_view host) {
  const auto lower = to_lower(host);
  std::string_view rest = lower;
  if (rest.ends_with('.')) rest.remove_suffix(1);
  for (const auto& rule : rules) {
    for (const auto tail : {rule.partition.dns_suffix, rule.partition.dual_stack_suffix}) {
      auto front = rest;
      if (!front.ends_with(tail)) continue;
      front.remove_suffix(tail.size());
      if (!front.ends_with('.')) continue;
      front.remove_suffix(1);
      // NAME.HASH.REGION.rds, and NAME.HASH.rds.REGION in China.
      const auto dot = front.rfind('.');
      if (dot == std::string_view::npos) continue;
      const auto last = front.substr(dot + 1);
      const auto before = front.substr(0, dot);
      const auto previous = before.substr(before.rfind('.') + 1);
      const auto region = last == "rds" ? previous : previous == "rds" ? last : std::string_view{};
      const bool named = region.find('-') != std::string_view::npos && check_region(region, "host");
      if (named && region.back() >= '0' && region.back() <= '9') return std::string{region};
    }
  }
  return {};
}

std::vector<std::string> endpoint_variables() {
  return {"AWS_USE_FIPS_ENDPOINT",
          "AWS_USE_DUALSTACK_ENDPOINT",
          "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS",
          "AWS_ENDPOINT_URL",
          "AWS_ENDPOINT_URL_SECRETS_MANAGER",
          "AWS_ENDPOINT_URL_SSM",
          "AWS_ENDPOINT_URL_STS",
          "AWS_ENDPOINT_URL_SSO",
          "AWS_STS_REGIONAL_ENDPOINTS"};
}

Result<EndpointOptions> read_endpoint_options(Inquiry& ask, Service service) {
  EndpointOptions options;
  auto fips = flag(ask, "AWS_USE_FIPS_ENDPOINT");
  if (!fips) return std::move(fips).error();
  options.fips = *fips;
  auto dual = flag(ask, "AWS_USE_DUALSTACK_ENDPOINT");
  if (!dual) return std::move(dual).error();
  options.dual_stack = *dual;
  if (service == Service::sts) {
    auto mode = ask.text("AWS_STS_REGIONAL_ENDPOINTS");
    if (!mode) return std::move(mode).error();
    options.sts_global = *mode == "legacy";
  }
  auto ignored = flag(ask, "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS");
  if (!ignored) return std::move(ignored).error();
  if (*ignored) return options;
  const auto own = "AWS_ENDPOINT_URL_" + std::string{names_of(service).variable};
  for (const auto& name : {own, std::string{"AWS_ENDPOINT_URL"}}) {
    auto url = ask.text(name);
    if (!url) return std::move(url).error();
    if (url->empty()) continue;
    options.url = std::move(*url);
    options.url_name = name;
    break;
  }
  return options;
}

Result<Endpoint> endpoint_of(Service service, std::string_view region, const EndpointOptions& options,
                             std::string_view insecure_reason) {
  if (!options.url.empty()) return configured(options, region, insecure_reason);
  if (service == Service::sts && !options.fips && !options.dual_stack) {
    const bool legacy = options.sts_global && std::find(legacy_regions.begin(), legacy_regions.end(),
                                                        region) != legacy_regions.end();
    if (legacy || region == "aws-global") return Endpoint{"https://sts.amazonaws.com", "us-east-1", false};
  }
  return Endpoint{"https://" + host_of(service, region, options), std::string{region}, false};
}

}  // namespace sallyport::secrets::aws
