// The difference between what a file wants and what Vault has.
//
// Vault's side may hold what must not be shown: a connection_url with a password in it, a statement that sets one. Its
// values are compared where they were parsed and copied only when they cannot be such; else it is said that they are
// not shown.
#pragma once

#include "secrets/vault/engine/object.h"

#include <optional>
#include <string>
#include <vector>

namespace sallyport::secrets::vault::engine {

enum class Effect { keep, add, change };

struct Difference {
  std::string field;
  std::optional<Field::Value> before;  ///< none: it is not set, or `hidden`
  bool hidden = false;                 ///< Vault's value may hold a password
  Field::Value after;
  bool seconds = false;
};

struct Change {
  Kind kind = Kind::connection;
  std::string name;
  Effect effect = Effect::keep;
  std::vector<Difference> differences;  ///< of Effect::add: all fields
  std::string impossible;               ///< why Vault cannot make this change, and what to do
  std::vector<std::string> warnings;    ///< what making it does besides
};

struct Plan {
  bool mount_missing = false;
  std::vector<Change> changes;         ///< one for each object, in their order
  std::vector<std::string> unmanaged;  ///< "role legacy": there, and not in the file
  std::vector<std::string> unlisted;   ///< "roles": the policies do not let us see which there are

  [[nodiscard]] bool nothing_to_do() const;
};

/// `data`: of Vault's answer to reading the object; absent: it is not there.
Change compare(const Object& object, JsonView data);

/// The lists of allowed_roles while roles are written (old and new), for whoever uses the old ones meanwhile.
std::vector<std::string> allowed_meanwhile(const Change& change, const std::vector<std::string>& wanted);

}  // namespace sallyport::secrets::vault::engine
