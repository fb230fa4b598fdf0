// Transaction pooling with `verify_session_state`: the server itself is asked whether a session leaves anything behind,
// before its connection changes owner. It knows what no SQL text shows: what functions have done.
//
// What it does not know either is in docs/pooling.md: custom settings, the position of sequences, the seed of random().
#pragma once

#include "base/bytes.h"
#include "base/result.h"
#include "broker/reported_parameters.h"
#include "wire/postgres/session_state.h"

#include <string>
#include <string_view>

namespace sallyport::broker {

/// One simple query, answered by one row. `reported`: parameters that are followed anyhow.
std::string state_question(const ParameterMap& reported);

/// What its row (the body of a DataRow) says is left behind. `role`: that the connection started with, "none" or empty:
/// the login's own; `user`: whom they log in as.
/// Errors  peer_misbehaved: a row of another shape.
Result<postgres::StateReasons> state_of_answer(Bytes row, std::string_view role, std::string_view user);

}  // namespace sallyport::broker
