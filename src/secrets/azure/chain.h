// Who gives us a token: the chain of providers, and what a session keeps of its answer.
//
// The order is DefaultAzureCredential's: environment, workload identity, managed identity, Azure CLI. A provider that is
// not configured is skipped with its reason in `tried`; one that is configured and fails ends the search, because going
// on would log in as somebody else. Whoever gave the first token of a session is asked for all others.
#pragma once

#include "secrets/azure/settings.h"
#include "secrets/azure/token.h"
#include "secrets/identity.h"
#include "secrets/inquiry.h"
#include "secrets/refresh_window.h"

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace sallyport::secrets::azure {

/// How a search goes, beside its result.
struct Search {
  std::vector<Tried> tried;         ///< providers that gave nothing, in their order
  std::optional<Tried> ended_by{};  ///< the provider whose error ended the search
  std::optional<Provider> winner;   ///< in: ask this one alone
  bool patient = true;              ///< false: somebody waits for the answer and wants no retries
  bool timed_out = false;           ///< a metadata service did not answer: it may do so later
  Duration skew{};                  ///< Entra's clock minus ours; in: as known before
};

/// Errors  bad_config: no provider is configured (the text lists what was tried), or one is so wrongly; timed_out: nobody
///         is, and the metadata service did not answer; else what ended the provider that is configured: denied,
///         retry_later, … `where` begins with settings.where.
Result<Token> find_token(Inquiry& ask, const Settings& settings, const std::string& scope, Search& search);

/// Asked for again this long before a token ends, or at a fifth of its life if that is shorter.
inline constexpr auto stale_before = std::chrono::minutes{5};

/// State of a session. Use:
///
///   step 1   return cache.refresh(ask, choice, scope);    (a whole step: writes only at its end)
///   step 2   use cache.token(); on an authentication error and ask.attempt() == 0: cache.drop(); return Then::all_again;
class TokenCache {
 public:
  enum class Want { good_enough, newest };

  /// `good_enough`: what is kept, until it is stale; a failure is kept from the caller while it is valid.
  Result<Then> refresh(Inquiry& ask, const Choice& choice, const std::string& scope,
                       Want want = Want::good_enough);

  /// After refresh() said next_step.
  [[nodiscard]] const Token& token() const { return *token_; }
  [[nodiscard]] const Settings& settings() const { return *settings_; }

  void drop() { window_.end(); }

 private:
  std::optional<Settings> settings_;
  std::optional<Token> token_;
  std::string scope_;  ///< of token_
  RefreshWindow window_{{stale_before, 5, {}, 5, {}, std::chrono::seconds{30}}};
  std::optional<Provider> winner_;
  Duration skew_{};
};

}  // namespace sallyport::secrets::azure
