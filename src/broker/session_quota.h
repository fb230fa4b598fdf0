// How many sessions there may be: of a route, of one identity on it, and how many may begin in a second.
//
// Counted is who has been let in by policy: strangers take nobody's place (for those there are doorstep and
// turnstile). Counts go by the route's name, so that they outlive a reload; the limits are those of the moment.
#pragma once

#include "broker/token_bucket.h"
#include "policy/decide.h"

#include <cstddef>
#include <map>
#include <string>
#include <string_view>

namespace sallyport::broker {

class SessionQuota {
  struct Counts;

 public:
  /// One session's, given up with it.
  class Place {
   public:
    Place() = default;
    Place(Place&& other) noexcept;
    Place& operator=(Place&& other) noexcept;
    ~Place() { give_up(); }
    void give_up();
    explicit operator bool() const { return counts_ != nullptr; }

   private:
    friend class SessionQuota;
    Counts* counts_ = nullptr;  // of the route; null: given up
    std::map<std::string, std::size_t>::iterator own_;
  };

  static constexpr std::string_view route_limit = "connections_max";
  static constexpr std::string_view identity_limit = "identity_connections_max";
  static constexpr std::string_view rate_limit = "connections_per_second_max";
  /// Which of them such an error is about, for counters; empty: none of ours.
  static std::string_view limit_of(const Error& error);

  SessionQuota() = default;
  SessionQuota(const SessionQuota&) = delete;
  SessionQuota& operator=(const SessionQuota&) = delete;

  /// Contract: this outlives the place.
  /// Errors  limit_exceeded, hop policy, 53300: which limit, and that it is reached.
  Result<Place> take(const Route& route, const policy::Decision& decision, MonotonicTime now);

 private:
  struct Counts {
    std::size_t sessions = 0;
    std::map<std::string, std::size_t> by_identity;
    TokenBucket begin;  // of connections_per_second_max
  };

  std::map<std::string, Counts> routes_;
};

}  // namespace sallyport::broker
