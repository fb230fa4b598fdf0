// A Vault whose database engine is set up: where it is and who we are there, as for the source `vault:`.
#pragma once

#include "secrets/source.h"
#include "secrets/vault/engine/applying.h"
#include "secrets/vault/engine/reading.h"

#include <memory>

namespace sallyport::secrets::vault::engine {

class Session {
 public:
  /// `reference`: vault:MOUNT with the attributes of any vault: reference (docs/vault.md).
  /// Errors  bad_config.
  static Result<std::unique_ptr<Session>> open(const Reference& reference, const SourceSettings& settings);

  /// Conversations borrow the session; one at a time.
  std::unique_ptr<ReadPlan> read(const std::vector<Object>& objects);
  std::unique_ptr<ApplyPlan> apply(Order order);
  /// Ends a token that we logged in for; null when it is the user's.
  std::unique_ptr<Conversation> close();

  /// "https://vault.example.com:8200"; after the first conversation.
  [[nodiscard]] std::string address() const { return to_string(state_.address); }
  [[nodiscard]] const std::vector<std::string>& warnings() const { return state_.warnings; }

 private:
  explicit Session(Options options) : state_(std::move(options)) {}
  State state_;
};

}  // namespace sallyport::secrets::vault::engine
