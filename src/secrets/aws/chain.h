// Which keys sign our requests to AWS: the chain of providers, and what a session keeps of its answer.
//
// The order is botocore's (docs/aws-identity.md). A provider that is not configured is skipped with its reason in
// `tried`; one that is configured and fails ends the search, because going on would sign as somebody else.
#pragma once

#include "secrets/aws/keys.h"
#include "secrets/aws/settings.h"
#include "secrets/identity.h"
#include "secrets/inquiry.h"
#include "secrets/refresh_window.h"

#include <optional>
#include <vector>

namespace sallyport::secrets::aws {

/// How a search went, beside its result.
struct Search {
  std::vector<Tried> tried;         ///< providers that gave nothing, in their order
  std::optional<Tried> ended_by{};  ///< the provider whose error ended the search
  std::string refused_with{};       ///< STS' code of its last refusal, of caller_identity() too; may be shown
  Duration skew{};                  ///< AWS' clock minus ours, as known before; learnt anew from STS
  bool local =
      false;  ///< the keys stand in a variable or file: cheap to read again, and they may be replaced
  bool timed_out = false;  ///< a metadata service did not answer: it may do so later
};

/// Asks the chain.
///
/// Errors  bad_config: no provider is configured (the text lists what was tried), or one is so wrongly; else what ended
///         the provider that is configured: denied, retry_later, timed_out, … `where` begins with settings.where.
Result<Keys> find_keys(Inquiry& ask, const Settings& settings, Search& search);

/// Keys are looked for again this long before they expire; failures are kept from the caller as long as the old ones
/// are valid. Keys that live shortly have shorter windows: a third and a fifth of their life.
inline constexpr auto advisory_window = std::chrono::minutes{15};   ///< a failure is followed by a pause
inline constexpr auto mandatory_window = std::chrono::minutes{10};  ///< tried at each use

/// State of a session. Use:
///
///   step 1   return keys.refresh(ask, choice);            (a whole step: writes only at its end)
///   step 2   sign with keys.keys(), keys.settings(), at now + keys.skew(); on an authentication error and
///            ask.attempt() == 0: keys.drop(); return Then::all_again;
class KeyCache {
 public:
  /// Reads the settings, and the keys again when they are due.
  Result<Then> refresh(Inquiry& ask, const Choice& choice);

  /// After refresh() said next_step.
  [[nodiscard]] const Keys& keys() const { return *keys_; }
  [[nodiscard]] const Settings& settings() const { return *settings_; }

  /// AWS' clock minus ours.
  [[nodiscard]] Duration skew() const { return skew_; }
  void learn_skew(Duration skew) { skew_ = skew; }

  /// After an authentication error: the next refresh() asks the chain.
  void drop();

 private:
  std::optional<Settings> settings_;
  std::optional<Keys> keys_;
  RefreshWindow window_{{advisory_window, 3, mandatory_window, 5}};  ///< open: keys_ may be used again
  Duration skew_{};
};

}  // namespace sallyport::secrets::aws
