// What `sallyport resolve` prints of a credential: as text for people, as one flat JSON object, or as lines for a shell.
//
// The secret is in none of them unless it is asked for; then the whole output is built in memory that is wiped.
#pragma once

#include "policy/target.h"
#include "secrets/source.h"

#include <string>

namespace sallyport::cli {

enum class ResolveFormat { text, json, env };

struct Resolved {
  std::string reference;  ///< canonical
  const secrets::Fetched* fetched = nullptr;
  secrets::Purpose purpose;                ///< of the reference's own attributes: host, port, user
  std::string database;                    ///< likewise
  TlsPolicy tls;                           ///< likewise
  std::vector<std::string> login_methods;  ///< likewise: "password", "md5" beside SCRAM
  Moment now;
  bool reveal = false;
  bool ended = false;  ///< a lease that was ended again at once
};

/// Printable whatever the source said.
/// `env` also says how TLS and the server's way of asking are checked, as strictly as the broker would: whoever answers
/// in the database's place is given nothing.
///
/// Errors  bad_config: `env` for a client certificate or a connector's instance, or without `reveal`.
Result<WipedBytes> print_resolved(const Resolved& resolved, ResolveFormat format);

/// "token", "password", "client certificate".
std::string_view kind_of(const Credential& credential);

}  // namespace sallyport::cli
