// What a session keeps of the chain's answer. Keys from variables and files are read at each use, which costs nothing and
// sees a file that was replaced; all others are kept until they are due.
#include "secrets/aws/chain.h"

namespace sallyport::secrets::aws {

Result<Then> KeyCache::refresh(Inquiry& ask, const Choice& choice) {
  const auto start = ask.now().wall;
  const bool usable = window_.valid(start, skew_);
  const bool is_due = window_.due(start, skew_);
  auto settings = read_settings(ask, choice);
  if (settings && !is_due) {
    settings_ = std::move(*settings);
    return Then::next_step;
  }
  Search search;
  search.skew = skew_;
  auto found = settings ? find_keys(ask, *settings, search) : Result<Keys>{settings.error()};
  if (!found && !usable) return std::move(found).error();
  // No more questions: from here on the session is written.
  if (settings) settings_ = std::move(*settings);
  if (!found) {
    window_.failed(ask);
    return Then::next_step;
  }
  skew_ = search.skew;
  keys_ = std::move(*found);
  window_.begin(ask, keys_->expires, skew_);
  if (search.local) window_.end();
  return Then::next_step;
}

void KeyCache::drop() {
  window_.end();
  keys_.reset();
}

}  // namespace sallyport::secrets::aws
