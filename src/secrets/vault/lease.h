// Renewing and ending one lease.
#pragma once

#include "secrets/vault/conversation.h"

namespace sallyport::secrets::vault {

/// Errors  not_found: the lease has ended.  denied: it cannot be renewed (any more): fetch a successor.
///         retry_later: ask again while it lasts.
class Renew final : public RenewConversation, private Exchange {
 public:
  Renew(State& state, const Lease& lease) : Exchange(state), lease_(lease) {}

  Result<Action> resume(Input input) override { return step(std::move(input)); }
  Lease take() override { return std::move(lease_); }

 private:
  Result<Action> begin(Moment now) override;
  Result<Action> on_reply(Reply reply, Moment now) override;
  [[nodiscard]] bool may_log_in_again() const override { return false; }
  std::optional<Result<Action>> refuse_early() override;

  Lease lease_;
};

/// Done also when the lease had ended before.
/// Errors  denied: no lease of this role at this address (threat 10), or the policies do not allow it.
class Revoke final : public Conversation, private Exchange {
 public:
  Revoke(State& state, const Lease& lease) : Exchange(state), lease_(lease) {}

  Result<Action> resume(Input input) override { return step(std::move(input)); }

 private:
  Result<Action> begin(Moment now) override;
  Result<Action> on_reply(Reply reply, Moment now) override;
  std::optional<Result<Action>> refuse_early() override;

  Lease lease_;
};

}  // namespace sallyport::secrets::vault
