// What the child of `exec` finds in its environment: connection strings that point at us, none of what our own
// sources used, and one line on what it could still ask for by itself.
#pragma once

#include "base/log.h"
#include "broker/session.h"
#include "cli/environment.h"
#include "cli/exec_run.h"
#include "dsn/render.h"
#include "secrets/source.h"

#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

namespace sallyport::cli {

/// A listener of this run and what the child is told about it.
struct Door {
  dsn::LocalEndpoint endpoint;
  Secret token;                // TCP only
  std::string authority_file;  // TCP only: of the run's own certificate
  std::shared_ptr<broker::RouteRuntime> route;
};

class ChildEnvironment {
 public:
  ChildEnvironment(Environment& environment, const ExecRequest& request, const secrets::Registry& sources)
      : environment_(environment), request_(request), sources_(sources) {}

  /// What the child could still ask by itself, in one line of the log (threat 11).
  /// Errors  denied: there is something, and --strict was asked for.
  Result<void> say_authority(Logger& logger) const;

  /// Sets and removes variables. `doors` belong to the request's targets, in their order.
  void prepare(const std::vector<Door>& doors);

 private:
  /// What the target's source takes from the environment and the file system.
  [[nodiscard]] secrets::Authority authority_of(const ExecTarget& target) const;
  /// Names of what the child could read or ask: of the sources used, and what is well known.
  [[nodiscard]] std::set<std::string> authority_left() const;
  /// Of "~/…" and "$VARIABLE…"; empty where the variable is not set.
  [[nodiscard]] std::string path_of(const std::string& file) const;
  void drop(const std::string& name);
  void set_variable(const ExecTarget& target, const Door& door);
  void set_libpq_variables(const ExecTarget& target, const Door& door);
  [[nodiscard]] std::optional<dsn::LocalTls> tls_of(const ExecTarget& target, const Door& door) const;

  Environment& environment_;
  const ExecRequest& request_;
  const secrets::Registry& sources_;
};

}  // namespace sallyport::cli
