// What a database user's own settings are (ALTER ROLE … SET), as its sessions find them at login.
//
// Whoever has a session of a user may change them: from then on every session of that user begins with, say, another
// search_path, and the next one that a pool logs in may be somebody else's. A pool therefore asks behind a login, and
// tells when a user's settings are not those that were seen before (threat 5). Users that a source makes anew for each
// credential are new to it each time.
#pragma once

#include "base/bytes.h"
#include "base/clock.h"
#include "base/result.h"

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace sallyport::broker {

/// One simple query, answered by rows of one column: "name=digest of the value", as values may be secrets, and long. Source: pg_db_role_setting (PostgreSQL manual,
/// System Catalogs).
std::string_view role_settings_question();

/// The only column of a DataRow's body.
/// Errors  peer_misbehaved: a row of another shape.
Result<std::string> setting_of_row(Bytes row);

class RoleSettings {
 public:
  static constexpr std::size_t users_max = 64;       ///< times databases; then the first ones are forgotten
  static constexpr std::size_t settings_max = 1000;  ///< of one user; the rest is not looked at
  /// A burst of logins is asked about once (each, where its role is asked for as well).
  static constexpr auto ask_every = std::chrono::seconds{1};

  /// Whether a login of this user has to be asked about; it counts as being asked from now on.
  bool ask(const std::string& user, const std::string& database, MonotonicTime now);
  /// The next login of each user is asked about, however lately one was.
  void look_again();
  /// The names of those that have changed since the user was seen first, or last; empty: none.
  std::vector<std::string> changes(const std::string& user, const std::string& database,
                                   std::vector<std::string> settings);

 private:
  struct Known {
    std::optional<std::map<std::string, std::string>> settings;  // none: not answered yet
    MonotonicTime asked{};
  };
  std::map<std::pair<std::string, std::string>, Known> users_;
};

}  // namespace sallyport::broker
