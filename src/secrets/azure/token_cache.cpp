// What a session keeps of the chain's answer: a token until it is stale, and who gave it.
#include "secrets/azure/chain.h"

namespace sallyport::secrets::azure {

Result<Then> TokenCache::refresh(Inquiry& ask, const Choice& choice, const std::string& scope, Want want) {
  const auto start = ask.now().wall;
  const bool kept = scope_ == scope && window_.valid(start);
  const bool usable = kept && want == Want::good_enough;
  const bool is_due = want == Want::newest || !kept || window_.due(start);
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
    window_.failed(ask);
    return Then::next_step;
  }
  skew_ = search.skew;
  window_.begin(ask, found->expires, {}, found->refresh_at);
  winner_ = found->provider;
  scope_ = scope;
  token_ = std::move(*found);
  return Then::next_step;
}

}  // namespace sallyport::secrets::azure
