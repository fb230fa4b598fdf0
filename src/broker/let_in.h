// The databases that have let a role in, whichever credential it had: pg_hba.conf refuses by database, with the same
// words (28000) as a credential that is of no use, and the database may be the client's choice.
#pragma once

#include "policy/decide.h"

#include <algorithm>
#include <cstddef>
#include <deque>
#include <string>
#include <utility>

namespace sallyport::broker {

class LetIn {
 public:
  static constexpr std::size_t databases_max =
      64;  ///< beyond that the one that was used longest ago is forgotten

  void note(const std::string& database, policy::Replication replication) {
    auto place = place_of(database, replication);
    std::erase(places_, place);
    places_.push_back(std::move(place));
    if (places_.size() > databases_max) places_.pop_front();
  }
  [[nodiscard]] bool has(const std::string& database, policy::Replication replication) const {
    return std::find(places_.begin(), places_.end(), place_of(database, replication)) != places_.end();
  }
  [[nodiscard]] bool anywhere() const { return !places_.empty(); }

 private:
  // pg_hba.conf has one name for physical replication, whatever database the client says.
  using Place = std::pair<bool, std::string>;
  static Place place_of(const std::string& database, policy::Replication replication) {
    const bool physical = replication == policy::Replication::physical;
    return {physical, physical ? std::string{} : database};
  }

  std::deque<Place> places_;  // used last at the end
};

}  // namespace sallyport::broker
