// When something that expires is asked for again: the one rule of all credentials that a session keeps (AWS' keys, Google's
// and Azure's tokens).
//
// In the advisory window it is asked for at a use, and when that fails what is kept serves on, until a pause is over. In
// the mandatory window every use asks. Once it has expired nothing serves. Windows shrink with a short life, and begin
// earlier by chance, so that a fleet that started together does not ask together. All of it on the wall clock: a suspended
// machine must notice.
#pragma once

#include "base/clock.h"

#include <optional>

namespace sallyport::secrets {

class Inquiry;

struct RefreshRule {
  Duration advisory;        ///< before the end, at most, and
  int advisory_part = 5;    ///< at most that part of the life: a fifth
  Duration mandatory = {};  ///< likewise; zero: none
  int mandatory_part = 5;
  Duration margin = {};                       ///< what is left of it and no longer counts
  Duration pause = std::chrono::seconds{60};  ///< after a failed refresh; half of it more by chance
};

class RefreshWindow {
 public:
  explicit RefreshWindow(const RefreshRule& rule) : rule_(rule) {}

  /// Something came that ends at `expires` on its giver's clock, which is `skew` ahead of ours; none: it does not end.
  /// `hint`: when its giver wants it asked for again, if that is earlier.
  void begin(const Inquiry& ask, std::optional<WallTime> expires, Duration skew = {},
             std::optional<WallTime> hint = std::nullopt);

  /// A refresh failed while what is kept is valid.
  void failed(const Inquiry& ask);

  void end() { kept_ = false; }

  /// It may be used. `now` is ours; `skew` as far as it is known by now.
  [[nodiscard]] bool valid(WallTime now, Duration skew = {}) const;
  /// It should be asked for before it is used.
  [[nodiscard]] bool due(WallTime now, Duration skew = {}) const;

 private:
  RefreshRule rule_;
  bool kept_ = false;
  std::optional<WallTime> expires_;  ///< these three on the giver's clock
  WallTime advisory_at_{};
  WallTime mandatory_at_{};
  WallTime pause_until_{};  ///< on ours
};

}  // namespace sallyport::secrets
