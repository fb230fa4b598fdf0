// What a session keeps of the chain's answer: a token until it is stale, and who gave it.
#include "secrets/azure/chain.h"

#include <algorithm>

namespace sallyport::secrets::azure {

namespace {

/// After a refresh that failed while the token was still valid; half of it more by chance.
constexpr auto pause_min = std::chrono::seconds{30};

WallTime later(WallTime time, Duration duration) {
  return time + std::chrono::duration_cast<WallTime::duration>(duration);
}

}  // namespace

bool TokenCache::valid(const std::string& scope, WallTime now) const {
  return token_ && scope_ == scope && token_->expires > now;
}

bool TokenCache::due(const std::string& scope, WallTime now) const {
  return !valid(scope, now) || (now >= stale_at_ && now >= pause_until_);
}

void TokenCache::keep(Token token, const std::string& scope) {
  const Duration life = token.expires - token.received;
  stale_at_ = later(token.expires, -std::min<Duration>(stale_before, life / 5));
  if (token.refresh_at) stale_at_ = std::min(stale_at_, *token.refresh_at);
  pause_until_ = {};
  winner_ = token.provider;
  scope_ = scope;
  token_ = std::move(token);
}

Result<Then> TokenCache::refresh(Inquiry& ask, const Choice& choice, const std::string& scope, Want want) {
  const auto start = ask.now().wall;
  const bool usable = valid(scope, start) && want == Want::good_enough;
  const bool is_due = want == Want::newest || due(scope, start);
  auto settings = read_settings(ask, choice);
  if (settings && !is_due) {
    settings_ = std::move(*settings);
    return Then::next_step;
  }
  Search search;
  search.winner = winner_;
  search.skew = skew_;
  auto found = settings ? find_token(ask, *settings, scope, search) : Result<Token>{settings.error()};
  if (!found && !usable) return std::move(found).error();
  // No more questions: from here on the session is written.
  if (settings) settings_ = std::move(*settings);
  if (!found) {
    const unsigned chance = ask.random()[54] * 256U + ask.random()[55];
    pause_until_ = later(ask.now().wall, pause_min + Duration{pause_min} / 2 * chance / 65'536);
    return Then::next_step;
  }
  skew_ = search.skew;
  keep(std::move(*found), scope);
  return Then::next_step;
}

}  // namespace sallyport::secrets::azure
