#include "broker/name_answers.h"

#include <algorithm>
#include <utility>

namespace sallyport::broker {

void NameAnswers::note(const Endpoint& endpoint, const std::vector<net::Address>& addresses) {
  if (addresses.empty()) return;
  const auto name = to_string(endpoint);
  if (answers_.size() >= names_max && !answers_.contains(name)) answers_.clear();
  auto before = std::exchange(answers_[name], {endpoint, addresses}).addresses;
  if (!timer_) timer_ = loop_.after(look_every, [this] { look(); });
  const bool moved = std::none_of(before.begin(), before.end(), [&](const auto& one) {
    return std::find(addresses.begin(), addresses.end(), one) != addresses.end();
  });
  if (!moved) return;
  for (const auto& one : before) left_(endpoint, one, addresses.front());
}

// A name that cannot be looked up now leads where it led.
void NameAnswers::look() {
  timer_ = loop_.after(look_every, [this] { look(); });
  std::vector<Endpoint> names;
  for (const auto& [name, answer] : answers_) names.push_back(answer.endpoint);
  for (const auto& endpoint : names) {
    connector_.resolve(endpoint, look_deadline,
                       [this, alive = alive_.line(), endpoint](Result<std::vector<net::Address>> addresses) {
                         if (*alive && addresses) note(endpoint, *addresses);
                       });
  }
}

}  // namespace sallyport::broker
