// Drives a conversation by hand: one input at a time, with a clock that the test moves.
#pragma once

#include "base/conversation.h"

#include <gtest/gtest.h>

#include <string>
#include <utility>

namespace sallyport {

inline Moment test_moment(std::chrono::seconds offset = {}) {
  return {WallTime{std::chrono::seconds{1'800'000'000}} + offset,
          MonotonicTime{std::chrono::seconds{1'000}} + offset};
}

inline Error test_failure(ErrorCode code, std::string where = "fake") {
  return {code, Hop::secret_source, std::move(where), "made to fail", {}, {}};
}

/// Started, with random bytes that are all `fill`.
inline Event started(std::uint8_t fill = 0x80) {
  Started event;
  event.random.fill(fill);
  return event;
}

/// The action of type T, or a failed test and a default one.
template <class T>
T expect_action(Result<Action>&& result) {
  if (!result) {
    ADD_FAILURE() << "an error instead of an action: " << describe(result.error());
    return T{};
  }
  auto* action = std::get_if<T>(&*result);
  if (action == nullptr) {
    ADD_FAILURE() << "another action, of index " << result->index();
    return T{};
  }
  return std::move(*action);
}

inline Error expect_error(Result<Action>&& result) {
  if (result) {
    ADD_FAILURE() << "an action instead of an error, of index " << result->index();
    return {};
  }
  return std::move(result).error();
}

}  // namespace sallyport
