#include "broker/role_settings.h"

#include <algorithm>
#include <utility>

namespace sallyport::broker {

std::string_view role_settings_question() {
  // Each name in full: the search_path may be what was changed.
  return "SELECT pg_catalog.concat(pg_catalog.\"left\"(pg_catalog.split_part(c.one, '=', 1), 100), '=',"
         "   pg_catalog.encode(pg_catalog.sha256(pg_catalog.convert_to(c.one, "
         "pg_catalog.getdatabaseencoding())), 'hex'))"
         " FROM pg_catalog.pg_db_role_setting AS s, LATERAL pg_catalog.unnest(s.setconfig) AS c (one)"
         " WHERE s.setrole OPERATOR(pg_catalog.=) (SELECT r.oid FROM pg_catalog.pg_roles AS r"
         "   WHERE r.rolname OPERATOR(pg_catalog.=) session_user)"
         " AND s.setdatabase OPERATOR(pg_catalog.=) ANY (ARRAY[0::pg_catalog.oid, (SELECT d.oid FROM"
         "   pg_catalog.pg_database AS d WHERE d.datname OPERATOR(pg_catalog.=) "
         "pg_catalog.current_database())])"
         " ORDER BY s.setdatabase";
}

Result<std::string> setting_of_row(Bytes row) {
  ByteReader reader{row};
  const auto columns = reader.u16();
  const auto size = reader.i32();
  const auto value = size < 0 ? Bytes{} : reader.take(static_cast<std::size_t>(size));
  if (!reader.finish("DataRow") || columns != 1) {
    return Error{ErrorCode::peer_misbehaved, Hop::pool, "role settings", "a row of another shape", {}, {}};
  }
  return std::string{as_text(value)};
}

bool RoleSettings::ask(const std::string& user, const std::string& database, MonotonicTime now) {
  const auto found = users_.find({user, database});
  if (found != users_.end()) {
    if (now - found->second.asked < ask_every) return false;
    found->second.asked = now;
    return true;
  }
  if (users_.size() >= users_max) {
    users_.erase(std::min_element(users_.begin(), users_.end(), [](const auto& a, const auto& b) {
      return a.second.asked < b.second.asked;
    }));
  }
  users_[{user, database}].asked = now;
  return true;
}

void RoleSettings::look_again() {
  for (auto& [user, known] : users_) known.asked -= ask_every;
}

std::vector<std::string> RoleSettings::changes(const std::string& user, const std::string& database,
                                               std::vector<std::string> settings) {
  const auto found = users_.find({user, database});
  if (found == users_.end()) return {};
  std::map<std::string, std::string> now;
  for (auto& one : settings) {
    const auto end = one.find('=');
    now[one.substr(0, end)] = end == std::string::npos ? std::string{} : one.substr(end + 1);
  }
  auto before = std::exchange(found->second.settings, now);
  std::vector<std::string> changed;
  if (!before) return changed;
  for (const auto& [name, value] : now) {
    const auto old = before->find(name);
    if (old == before->end() || old->second != value) changed.push_back(name);
    if (old != before->end()) before->erase(old);
  }
  for (const auto& [name, value] : *before) changed.push_back(name);
  std::sort(changed.begin(), changed.end());
  return changed;
}

}  // namespace sallyport::broker
