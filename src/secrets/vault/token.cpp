#include "secrets/vault/token.h"

#include "secrets/vault/call.h"

#include <algorithm>

namespace sallyport::secrets::vault {

Duration granted_duration(JsonView seconds) {
  const auto value = seconds.integer();
  if (!value || *value <= 0) return Duration::zero();
  const auto most = std::chrono::duration_cast<std::chrono::seconds>(lifetime_max).count();
  return std::chrono::seconds{std::min<std::int64_t>(*value, most)};
}

WallTime plus(WallTime time, Duration duration) {
  return time + std::chrono::duration_cast<WallTime::duration>(duration);
}

std::optional<Secret> trimmed_token(const Secret& text) {
  auto word = text.reveal();
  const auto is_space = [](char c) { return c == ' ' || (c >= '\t' && c <= '\r'); };
  while (!word.empty() && is_space(word.front())) word.remove_prefix(1);
  while (!word.empty() && is_space(word.back())) word.remove_suffix(1);
  const bool plain = std::all_of(word.begin(), word.end(), [](char c) { return c > 0x20 && c < 0x7F; });
  if (word.empty() || word.size() > token_bytes_max || !plain) return std::nullopt;
  return Secret::copy_of(word);
}

std::string plain_accessor(std::string_view text) {
  constexpr std::size_t accessor_bytes_max = 128;
  const bool plain = std::all_of(text.begin(), text.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '_' || c == '.';
  });
  return plain && text.size() <= accessor_bytes_max ? std::string{text} : std::string{};
}

void note_grant(Token& token, JsonView auth, WallTime sent) {
  const auto duration = granted_duration(auth["lease_duration"]);
  token.renewable = auth["renewable"].boolean().value_or(false);
  token.renew_at.reset();
  if (duration == Duration::zero()) {
    token.expires.reset();  // a token without an end, which AppRole roles do not give out by default
    return;
  }
  if (token.granted == Duration::zero()) token.granted = duration;
  token.worn = duration < token.granted * 9 / 10;
  token.expires = plus(sent, duration);
  if (token.renewable && !token.worn) token.renew_at = plus(sent, duration * 2 / 3);
}

bool wants_new_login(const Token& token, WallTime now) {
  if (!token.expires) return false;
  const Duration left = *token.expires - now;
  if (left <= Duration::zero()) return true;
  // One that is renewed lives on; one that is not must outlive the leases that will hang on it.
  const bool lives_on = token.renewable && !token.worn;
  return !lives_on && left < token.granted * 2 / 3;
}

void retire(State& state, WallTime now) {
  auto token = std::move(*state.token);
  state.token.reset();
  if (token.expires && *token.expires <= now) return;
  if (state.old_tokens.size() == old_tokens_max) state.old_tokens.erase(state.old_tokens.begin());
  state.old_tokens.push_back(std::move(token));
}

}  // namespace sallyport::secrets::vault
