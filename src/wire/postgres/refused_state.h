// Statements that transaction pooling refuses (on_session_state: refuse) fail in the server, so that everything around
// them goes on as behind any other error: transactions, pipelines, what is prepared.
//
// So the server's own words are those about a number that is none. In its answer they are replaced, in the same length.
//
// Source  PostgreSQL manual, "Error and Notice Message Fields".
#pragma once

#include "base/bytes.h"
#include "wire/postgres/session_state.h"

#include <string>
#include <string_view>

namespace sallyport::postgres {

/// Stands in the error about what was refused, behind the reason's name.
inline constexpr std::string_view refusal_mark =
    " is not available in transaction pooling (on_session_state: refuse)";
inline constexpr std::string_view lost_value_mark = " was given on another server connection";

/// SQL that fails when it is parsed, and says why.
std::string refusal_of(StateReason reason);

/// Likewise, where currval or lastval would tell what a sequence gave to another session (55000).
std::string lost_value();

/// The body of an ErrorResponse that such SQL has met becomes one of 0A000 (feature_not_supported) or 55000
/// (object_not_in_prerequisite_state) with a hint. Any other body stays as it is.
void tell_refusal(MutableBytes body);

}  // namespace sallyport::postgres
