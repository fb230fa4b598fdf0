// Instances that a connector leads to: their names, and what their control planes answer.
//
// Sources  GoogleCloudPlatform/cloud-sql-go-connector (internal/cloudsql) and alloydb-go-connector (internal/alloydb).
#pragma once

#include "secrets/gcp/context.h"
#include "secrets/json.h"
#include "secrets/source.h"

#include <optional>
#include <string>
#include <string_view>

namespace sallyport::secrets::gcp {

enum class IpType { public_ip, private_ip, psc };

struct Instance {
  bool alloydb = false;
  std::string project;  ///< of a domain: "example.com:project"
  std::string region;
  std::string cluster;  ///< AlloyDB's
  std::string name;

  /// Below the service's address: "/sql/v1beta4/projects/p/instances/i".
  [[nodiscard]] std::string path() const;
  /// "p:r:i"; AlloyDB's: its whole name.
  [[nodiscard]] std::string connection_name() const;
  bool operator==(const Instance&) const = default;
};

/// `project:region:instance`, or `projects/P/locations/L/clusters/C/instances/I` for AlloyDB.
/// Errors  bad_config.
Result<Instance> parse_instance(std::string_view text);

/// `public` (also when empty), `private` or `psc`.
Result<IpType> parse_ip_type(std::string_view text);

/// Out of connectSettings.
/// Errors  bad_config: another region, an engine without IAM login or another than `engine`, no address of that type.
///         invalid_message: no authority.
Result<Access> cloud_sql_access(const Context& context, const Instance& instance, IpType ip,
                                std::string_view engine, JsonView settings);

/// Out of connectionInfo and the certificate's reply. `token` goes into the preamble.
Result<Access> alloydb_access(const Context& context, IpType ip, JsonView info, JsonView certificate,
                              const Secret& token);

/// How long after `now` the next certificate is asked for: half of an hour's life or more, else four minutes before its
/// end; none: it lives no longer than that.
std::optional<Duration> refresh_after(Duration life);

/// One each half minute, two at once.
class Limiter {
 public:
  [[nodiscard]] Duration wait_at(MonotonicTime now) const;
  void take(MonotonicTime now);

 private:
  std::optional<MonotonicTime> full_at_;  ///< when both could be had again
};

}  // namespace sallyport::secrets::gcp
