// What the proxies in front of Cloud SQL and AlloyDB are told before the database's own protocol: one protobuf message,
// which for AlloyDB carries the token that logs in.
#pragma once

#include "base/secret.h"

namespace sallyport::secrets::gcp {

/// "CSQLMDEX", a length of 4 bytes, {user_agent, client_protocol_type: TLS}.
Secret cloud_sql_preamble();

/// A length of 4 bytes, {user_agent, auth_type: AUTO_IAM, oauth2_token}.
Secret alloydb_preamble(const Secret& token);

}  // namespace sallyport::secrets::gcp
