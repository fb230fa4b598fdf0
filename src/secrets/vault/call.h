// One request to Vault with its retries and its one redirect, as a machine inside a conversation.
//
// Retried, at most twice, after 1 to 1.5 s: 412 (a standby that lags), 429 (Retry-After is kept to), 5xx, and
// transport errors. A request that makes a lease is retried only when it certainly was not executed: a lost
// reply means a user in the database that nobody knows (so creds/ is never retried blindly).
#pragma once

#include "base/conversation.h"
#include "secrets/json.h"
#include "secrets/vault/state.h"

#include <array>
#include <optional>
#include <string>
#include <variant>

namespace sallyport::secrets::vault {

inline constexpr int retries_max = 2;
inline constexpr auto retry_after_max = std::chrono::seconds{30};
inline constexpr std::size_t token_bytes_max = 8'192;

struct Request {
  enum class Repeat { always, only_if_not_executed, never };

  std::string method = "GET";
  std::string path;               ///< behind /v1/, percent-encoded, with query
  Secret body;                    ///< JSON; empty: none
  const Secret* token = nullptr;  ///< null: without one (login)
  Repeat repeat = Repeat::always;
};

struct Reply {
  int status = 0;
  std::optional<Json> json;     ///< none when the body was empty or no JSON
  std::string plain_text_hint;  ///< a known sentence found in a body that was no JSON
  WallTime sent;                ///< when the request that was answered went out: leases count from here

  [[nodiscard]] bool success() const { return status == 200 || status == 204; }
  [[nodiscard]] JsonView root() const { return json ? json->root() : JsonView{}; }
};

/// What a part of a conversation yields: an action to do first, or its result.
template <class T>
using Step = std::variant<Action, T>;

class Call {
 public:
  /// Takes the random bytes of Started: jitter only.
  void seed(const std::array<std::uint8_t, 64>& random) { random_ = random; }

  /// The first request's action. `request.token` stays borrowed until the reply.
  Result<Action> start(const State& state, Request request, Moment now);

  /// Errors  a transport error that is not retried, a redirect that may not be followed, a reply beyond the
  ///         limits, a success whose body is no JSON. Any other status is a Reply: meaning.h tells what it means.
  Result<Step<Reply>> resume(const State& state, Input input);

 private:
  Result<Action> send(const State& state, Moment now);
  Result<Step<Reply>> on_reply(const State& state, HttpReply reply, Moment now);
  Result<Step<Reply>> on_failure(const State& state, Error error, Moment now);
  Result<Step<Reply>> on_redirect(const State& state, const HttpReply& reply, Moment now);
  std::optional<Action> retry(std::optional<Duration> wanted, Moment now);
  [[nodiscard]] Duration jittered_second() const;

  Request request_;
  Address address_;
  WallTime sent_{};
  int retries_ = 0;
  bool waits_ = false;
  bool redirected_ = false;
  std::array<std::uint8_t, 64> random_{};
};

}  // namespace sallyport::secrets::vault
