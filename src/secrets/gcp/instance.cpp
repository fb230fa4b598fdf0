#include "secrets/gcp/instance.h"

#include "crypto/base64_pem.h"
#include "secrets/gcp/preamble.h"

#include <algorithm>
#include <array>

namespace sallyport::secrets::gcp {

namespace {

constexpr std::uint16_t cloud_sql_port = 3307;
constexpr std::uint16_t alloydb_port = 5433;
constexpr Duration limiter_interval = std::chrono::seconds{30};
constexpr const char* form =
    "Write instance=PROJECT:REGION:INSTANCE, or a domain name whose TXT record says that, or for AlloyDB "
    "instance=projects/PROJECT/locations/REGION/clusters/CLUSTER/instances/INSTANCE";

std::vector<std::string_view> split(std::string_view text, char separator) {
  std::vector<std::string_view> out;
  for (auto at = text.find(separator); at != std::string_view::npos; at = text.find(separator)) {
    out.push_back(text.substr(0, at));
    text.remove_prefix(at + 1);
  }
  out.push_back(text);
  return out;
}

bool is_name(std::string_view text) {
  return !text.empty() && text.size() <= 100 && std::ranges::all_of(text, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-';
  });
}

bool is_literal(std::string_view text) {
  return !text.empty() && text.size() <= 45 && std::ranges::all_of(text, [](char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F') || c == ':' || c == '.';
  });
}

std::string_view without_dot(std::string_view name) {
  if (name.ends_with('.')) name.remove_suffix(1);
  return name;
}

const char* name_of(IpType ip) {
  return ip == IpType::public_ip ? "public" : ip == IpType::private_ip ? "private" : "psc";
}

/// The instance's names for Private Service Connect, the usual domain's first.
std::vector<std::string> psc_names(JsonView settings) {
  std::vector<std::string> out;
  for (const auto one : settings["dnsNames"].elements()) {
    const auto name = without_dot(one["name"].text());
    const bool ours = one["connectionType"].text() == "PRIVATE_SERVICE_CONNECT" &&
                      one["dnsScope"].text() == "INSTANCE" && is_domain(name);
    if (ours) out.emplace_back(name);
  }
  std::stable_partition(out.begin(), out.end(),
                        [](const auto& name) { return name.ends_with(".sql-psc.goog"); });
  const auto single = without_dot(settings["dnsName"].text());
  if (out.empty() && is_domain(single)) out.emplace_back(single);
  return out;
}

using Offered = std::vector<std::pair<IpType, std::string>>;

Offered addresses_of(JsonView settings) {
  Offered out;
  for (const auto one : settings["ipAddresses"].elements()) {
    const auto address = one["ipAddress"].text();
    if (!is_literal(address)) continue;
    if (one["type"].text() == "PRIMARY") out.emplace_back(IpType::public_ip, address);
    if (one["type"].text() == "PRIVATE") out.emplace_back(IpType::private_ip, address);
  }
  // Instances of a certificate authority service have a dnsName as well, and no such connections.
  if (settings["pscEnabled"].boolean().value_or(false)) {
    for (auto& name : psc_names(settings)) out.emplace_back(IpType::psc, std::move(name));
  }
  return out;
}

Result<std::vector<SuppliedHost>> chosen(const Context& context, const Offered& offered, IpType ip,
                                         std::uint16_t port) {
  std::vector<SuppliedHost> out;
  std::string others;
  for (const auto& [type, address] : offered) {
    if (type == ip) {
      out.push_back({address, port});
    } else if (others.find(name_of(type)) == std::string::npos) {
      others += (others.empty() ? "" : " or ") + std::string{"ip_type="} + name_of(type);
    }
  }
  if (!out.empty()) return out;
  return fault(context, ErrorCode::bad_config, std::string{"the instance has no "} + name_of(ip) + " address",
               others.empty() ? "Give it one" : "Say " + others + ", or give it one");
}

Result<std::string> authorities(const Context& context, std::string_view pem) {
  if (crypto::pem_body(pem, "CERTIFICATE")) return std::string{pem};
  return fault(context, ErrorCode::invalid_message, "the control plane's reply has no server authority");
}

Result<void> check_settings(const Context& context, const Instance& instance, std::string_view engine,
                            JsonView settings) {
  const auto region = shown_code(settings["region"].text());
  if (region != instance.region) {
    return fault(context, ErrorCode::bad_config,
                 "the instance is in the region " + (region.empty() ? "(none)" : region) + ", not in " +
                     instance.region,
                 "Write instance=" + instance.project + ":" + region + ":" + instance.name);
  }
  if (settings["backendType"].text() != "SECOND_GEN")
    return fault(context, ErrorCode::bad_config, "the instance is not of the second generation");
  const auto version = settings["databaseVersion"].text();
  const bool postgres = version.starts_with("POSTGRES");
  const bool mysql = version.starts_with("MYSQL");
  if ((!postgres && !mysql) || (engine == "postgresql" && !postgres) || (engine == "mysql" && !mysql)) {
    return fault(
        context, ErrorCode::bad_config,
        "the instance is " + shown_code(version) + (postgres || mysql ? "" : ", which has no IAM login"),
        "Name an instance of " + std::string{engine.empty() ? "PostgreSQL or MySQL" : engine});
  }
  return {};
}

}  // namespace

std::string Instance::path() const {
  if (!alloydb) return "/sql/v1beta4/projects/" + project + "/instances/" + name;
  return "/v1/projects/" + project + "/locations/" + region + "/clusters/" + cluster + "/instances/" + name;
}

std::string Instance::connection_name() const {
  return alloydb ? path().substr(std::string_view{"/v1/"}.size()) : project + ":" + region + ":" + name;
}

Result<Instance> parse_instance(std::string_view text) {
  const auto wrong = [](std::string what) { return wrong_attribute("instance", std::move(what), form); };
  Instance out;
  if (text.starts_with("projects/")) {
    const auto parts = split(text, '/');
    const bool known = parts.size() == 8 && parts[2] == "locations" && parts[4] == "clusters" &&
                       parts[6] == "instances" && is_project(parts[1]) && is_name(parts[3]) &&
                       is_name(parts[5]) && is_name(parts[7]);
    if (!known) return wrong("is no name of an AlloyDB instance");
    out = {true, std::string{parts[1]}, std::string{parts[3]}, std::string{parts[5]}, std::string{parts[7]}};
    return out;
  }
  const auto parts = split(text, ':');
  if (parts.size() != 3 && parts.size() != 4) return wrong("is no name of an instance");
  out.name = parts.back();
  out.region = parts[parts.size() - 2];
  out.project =
      parts.size() == 3 ? std::string{parts[0]} : std::string{parts[0]} + ":" + std::string{parts[1]};
  if (!is_name(out.name) || !is_name(out.region) || !is_project(out.project))
    return wrong("is no name of an instance");
  return out;
}

Result<IpType> parse_ip_type(std::string_view text) {
  for (const auto ip : {IpType::public_ip, IpType::private_ip, IpType::psc}) {
    if (text == name_of(ip)) return ip;
  }
  if (text.empty()) return IpType::public_ip;
  return wrong_attribute("ip_type", "is none that is known", "Write public, private or psc");
}

Result<Access> cloud_sql_access(const Context& context, const Instance& instance, IpType ip,
                                std::string_view engine, JsonView settings) {
  if (auto checked = check_settings(context, instance, engine, settings); !checked)
    return std::move(checked).error();
  auto addresses = chosen(context, addresses_of(settings), ip, cloud_sql_port);
  if (!addresses) return std::move(addresses).error();
  auto pem = authorities(context, settings["serverCaCert"]["cert"].text());
  if (!pem) return std::move(pem).error();
  Access out;
  out.addresses = std::move(*addresses);
  out.authorities_pem = std::move(*pem);
  // The name that the metadata says may not be in the certificate yet: the subject counts then, as it always did.
  const auto name = without_dot(settings["dnsName"].text());
  if (is_domain(name)) out.names.emplace_back(name);
  out.common_name = instance.project + ":" + instance.name;
  const auto spoken = settings["mdxProtocolSupport"].elements();
  if (std::ranges::any_of(spoken, [](JsonView one) { return one.text() == "CLIENT_PROTOCOL_TYPE"; })) {
    out.preamble = cloud_sql_preamble();
    out.answer = Access::Answer::cloud_sql;
  }
  return out;
}

Result<Access> alloydb_access(const Context& context, IpType ip, JsonView info, JsonView certificate,
                              const Secret& token) {
  Offered offered;
  if (is_literal(info["publicIpAddress"].text()))
    offered.emplace_back(IpType::public_ip, info["publicIpAddress"].text());
  if (is_literal(info["ipAddress"].text()))
    offered.emplace_back(IpType::private_ip, info["ipAddress"].text());
  const auto psc = without_dot(info["pscDnsName"].text());
  if (is_domain(psc)) offered.emplace_back(IpType::psc, psc);
  auto addresses = chosen(context, offered, ip, alloydb_port);
  if (!addresses) return std::move(addresses).error();
  auto pem = authorities(context, certificate["caCert"].text());
  if (!pem) return std::move(pem).error();
  const auto uid = info["instanceUid"].text();
  if (!is_name(uid))
    return fault(context, ErrorCode::invalid_message, "AlloyDB: the reply has no instanceUid");
  Access out;
  out.addresses = std::move(*addresses);
  out.authorities_pem = std::move(*pem);
  out.names = {std::string{uid} + ".server.alloydb"};
  out.common_name = out.names.front();
  out.preamble = alloydb_preamble(token);
  out.answer = Access::Answer::alloydb;
  return out;
}

std::optional<Duration> refresh_after(Duration life) {
  constexpr Duration early = std::chrono::minutes{4};
  if (life >= std::chrono::hours{1}) return life / 2;
  if (life > early) return life - early;
  return std::nullopt;
}

Duration Limiter::wait_at(MonotonicTime now) const {
  if (!full_at_) return Duration::zero();
  return std::max<Duration>(*full_at_ - limiter_interval - now, Duration::zero());
}

void Limiter::take(MonotonicTime now) { full_at_ = std::max(full_at_.value_or(now), now) + limiter_interval; }

}  // namespace sallyport::secrets::gcp
