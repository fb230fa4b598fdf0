// How a pool watches the settings of the users that it logs in as (role_settings.h).
#include "broker/pool.h"

#include <utility>

namespace sallyport::broker {

namespace {

constexpr std::size_t names_told_max = 10, name_told_max = 63;

}  // namespace

bool Pool::asks_for_settings(const Upstream& upstream) {
  if (upstream.key.replication != policy::Replication::none) return false;  // it may know no SQL
  return role_settings_.ask(upstream.user, upstream.key.database, loop_.now().mono);
}

// No answer (another kind of server, a statement_timeout) is no finding.
void Pool::on_settings(const Upstream& upstream, std::optional<std::vector<std::string>> settings) {
  if (!settings) return;
  const auto changed = role_settings_.changes(upstream.user, upstream.key.database, std::move(*settings));
  if (changed.empty()) return;
  std::string names;
  for (std::size_t i = 0; i < changed.size() && i < names_told_max; ++i)
    names += (i == 0 ? "" : ", ") + changed[i].substr(0, name_told_max);
  if (changed.size() > names_told_max) names += ", …";
  slot_.report_role_changed(upstream.generation, "the settings of database user " + upstream.user +
                                                     " were changed in the server (" + names +
                                                     "): its sessions begin with them from now on. If no "
                                                     "administrator did it, look for it in the server's "
                                                     "log (ALTER ROLE), and undo it with ALTER ROLE … RESET");
}

}  // namespace sallyport::broker
