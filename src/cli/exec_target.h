// From what the user wrote (a reference with attributes, or a target's name) to a target that can be opened.
#pragma once

#include "base/clock.h"
#include "config/config.h"
#include "dsn/dialect.h"
#include "policy/target.h"
#include "secrets/reference.h"

#include <optional>
#include <string>
#include <vector>

namespace sallyport::cli {

/// One variable of the child that gets a connection string.
struct ExecTarget {
  std::string variable;  ///< "DATABASE_URL"; the target's name inside the broker, too
  Target target;         ///< one role, "default"; endpoints may be empty: the secret supplies them
  std::string role = "default";
  std::string shown_user;  ///< what PGUSER and the URL say; a claim, not an account
  dsn::Dialect dialect;
  std::string demanded_tls;  ///< by the application's own string (dsn/local_tls.h); empty: nothing

  /// Where its one role's secret comes from. Errors as secrets::parse_reference.
  [[nodiscard]] Result<secrets::Reference> reference() const;
};

/// Attributes: secrets::target_attributes; all others are the source's.
///
/// Errors  bad_config, hop reference or config: what is missing or wrong, what to write.
Result<ExecTarget> target_from_reference(const std::string& variable, const secrets::Reference& reference,
                                         WallTime now);

/// A target of the configuration, by name.
Result<ExecTarget> target_from_config(const std::string& variable, const config::Config& config,
                                      const std::string& name, const std::string& role);

/// What `text` names: a reference, or a target of `config`. A connection string is refused and not repeated: it
/// may hold a password.
Result<ExecTarget> target_from_text(const std::string& variable, const std::string& text,
                                    const std::optional<config::Config>& config, const std::string& role,
                                    WallTime now);

/// An error of the above, of whoever wrote no variable: it names the argument of the command line instead.
Error about_argument(Error error, const std::string& variable, const char* argument);

/// `--role` chooses among a configured target's roles: wrong when all the texts are references.
Result<void> check_role(const std::string& role, const std::vector<std::string>& texts);

}  // namespace sallyport::cli
