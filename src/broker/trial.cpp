#include "broker/trial.h"

#include <algorithm>
#include <utility>

namespace sallyport::broker {

Trial::~Trial() { loop_.cancel(timer_); }

void Trial::enter(std::uint64_t generation, const std::string& identity, Go go) {
  if (generation <= passed_ || generation < generation_) return go(0);
  if (generation > generation_) {
    generation_ = generation;
    had_one_.clear();
    turn_ = 0;
    // Those that waited for the one before come back for this one, behind whoever brings it.
    loop_.cancel(timer_);
    begin(identity);
    go(turn_);
    return let_all_go();
  }
  if (turn_ != 0) {
    line_.push_back({identity, std::move(go)});
    return;
  }
  begin(identity);
  go(turn_);
}

void Trial::begin(const std::string& identity) {
  turn_ = ++last_turn_;
  had_one_.insert(identity);
  timer_ = loop_.after(turn_max, [this] { next(); });
}

void Trial::pass(std::uint64_t generation) {
  if (generation <= passed_) return;
  passed_ = generation;
  if (generation < generation_) return;
  generation_ = generation;
  loop_.cancel(timer_);
  turn_ = 0;
  had_one_.clear();
  let_all_go();
}

void Trial::over(Turn turn) {
  if (turn == 0 || turn != turn_) return;
  next();
}

void Trial::next() {
  loop_.cancel(timer_);
  turn_ = 0;
  if (line_.empty()) return;
  auto at = std::find_if(line_.begin(), line_.end(),
                         [this](const Waiting& one) { return !had_one_.contains(one.identity); });
  if (at == line_.end()) at = line_.begin();
  const auto one = std::move(*at);
  line_.erase(at);
  begin(one.identity);
  one.go(turn_);
}

void Trial::let_all_go() {
  for (auto& one : std::exchange(line_, {})) one.go(0);
}

}  // namespace sallyport::broker
