// The token that we logged in for: kept alive while leases hang on it, ended at the end, and they with it.
#pragma once

#include "secrets/vault/conversation.h"

namespace sallyport::secrets::vault {

/// Errors  denied: it has ended; the next fetch logs in anew.  retry_later: ask again while it lasts.
class KeepAlive final : public Conversation, private Exchange {
 public:
  explicit KeepAlive(State& state) : Exchange(state) {}
  Result<Action> resume(Input input) override { return step(std::move(input)); }

 private:
  Result<Action> begin(Moment now) override;
  Result<Action> on_reply(Reply reply, Moment now) override;
  [[nodiscard]] bool may_log_in_again() const override { return false; }
};

/// Ends our token, and older ones of ours that leases still hang on. A token that is gone already is ended.
class Close final : public Conversation {
 public:
  explicit Close(State& state) : state_(state) {}
  Result<Action> resume(Input input) override;

 private:
  Result<Action> end_next(Moment now);
  void collect();
  void keep(Error error);

  State& state_;
  Call call_;
  std::vector<Token> tokens_;         ///< ours; the one at the end is being ended
  bool has_current_ = false;          ///< that one is State::token
  std::optional<Error> first_error_;  ///< the others are ended all the same
};

}  // namespace sallyport::secrets::vault
