// Arithmetic and hygiene of tokens: when ours is to be renewed or replaced, what of a reply is taken over.
#pragma once

#include "secrets/json.h"
#include "secrets/vault/state.h"

namespace sallyport::secrets::vault {

/// No lifetime that a server names counts for more: keeps times from overflowing.
inline constexpr Duration lifetime_max = std::chrono::hours{24 * 366 * 10};

/// Whole seconds from a reply, within [0, lifetime_max].
Duration granted_duration(JsonView seconds);

WallTime plus(WallTime time, Duration duration);

/// One word of printable ASCII, without the white space around it; nothing when it is none or over
/// token_bytes_max.
std::optional<Secret> trimmed_token(const Secret& text);

/// An accessor goes into journal and trail: letters, digits, `-_.`, at most 128 bytes; else empty.
std::string plain_accessor(std::string_view text);

/// What `auth{lease_duration, renewable}` grants at `sent`: expiry, and when to renew (two thirds on).
void note_grant(Token& token, JsonView auth, WallTime sent);

/// Whether a fetch should log in anew first: ours is dead, or too near its end for new leases to hang on it.
bool wants_new_login(const Token& token, WallTime now);

/// Puts our token aside while leases hang on it, so that close() ends it too.
void retire(State& state, WallTime now);

}  // namespace sallyport::secrets::vault
