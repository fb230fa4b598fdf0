// What a cloud's proxy in front of a server wants to hear before PostgreSQL's own protocol, inside TLS that came first.
//
// Cloud SQL: "CSQLMDEX", a length of 4 bytes, a protobuf message; it may answer in the same form, or not at all. AlloyDB: a
// length and a message that carries the token; it answers, and says in field 1 whether it takes it (1: yes).
// Sources: the connectors' metadata exchanges (cloud-sql-go-connector internal/mdx, alloydb-go-connector dialer.go).
#pragma once

#include "base/conversation.h"
#include "base/secret.h"

#include <memory>

namespace sallyport::postgres {

enum class PreambleAnswer { none, cloud_sql, alloydb };

struct Preamble {
  std::shared_ptr<const Secret> bytes;  ///< null: nothing is sent
  PreambleAnswer answer = PreambleAnswer::none;
};

/// The longest answer of such a proxy.
inline constexpr std::size_t preamble_answer_bytes_max = 16'384;

/// Takes the answer from the front. False: more bytes are needed. True: it was taken, or there is none.
///
/// Errors  denied: AlloyDB does not take the token.  invalid_message: no answer of that form.  limit_exceeded.
Result<bool> take_preamble_answer(PreambleAnswer form, InputBuffer& input);

}  // namespace sallyport::postgres
