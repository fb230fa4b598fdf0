// The one byte that a server answers to SSLRequest, shared by login and cancel.
#pragma once

#include "base/conversation.h"
#include "base/result.h"

namespace sallyport::postgres {

/// Takes the answer from the front. True: it was 'S' and nothing stands behind it. False: no byte yet.
///
/// Errors  peer_unsupported: 'N', or 'E' (a server too old to know SSLRequest, or unable to fork; its
///         text came without protection and is not repeated). peer_misbehaved: bytes behind 'S' (somebody
///         injects before TLS). invalid_message: any other byte, so no PostgreSQL server.
Result<bool> take_ssl_answer(InputBuffer& input);

}  // namespace sallyport::postgres
