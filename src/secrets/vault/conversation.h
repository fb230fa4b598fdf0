// What all conversations with Vault share: setup first, then one call after the other; a 403 makes us log in
// again once, where we can.
#pragma once

#include "secrets/vault/call.h"
#include "secrets/vault/meaning.h"
#include "secrets/vault/setup.h"

namespace sallyport::secrets::vault {

class Exchange {
 public:
  explicit Exchange(State& state) : state_(state) {}
  virtual ~Exchange() = default;

  /// An error of its has a hint.
  Result<Action> step(Input input);

 protected:
  /// The first call, once a token is there. Called a second time after a new login.
  virtual Result<Action> begin(Moment now) = 0;

  /// A reply; 403 only when logging in again is no remedy.
  virtual Result<Action> on_reply(Reply reply, Moment now) = 0;

  /// The call could not be made; the default ends the conversation with the error.
  virtual Result<Action> on_error(Error error) { return error; }

  /// False for what hangs on the token that it began with: renewing and ending it.
  [[nodiscard]] virtual bool may_log_in_again() const { return true; }

  /// Before setup: an action to end with, or an error, without asking Vault.
  virtual std::optional<Result<Action>> refuse_early() { return std::nullopt; }

  Result<Action> call(Request request, Moment now);

  /// A POST with our token.
  Result<Action> post(std::string_view path, Secret body, Moment now,
                      Request::Repeat repeat = Request::Repeat::always);

  State& state_;

 private:
  Result<Action> advance(Input input);
  Result<Action> after_setup(Result<std::optional<Action>> progress, Moment now);
  [[nodiscard]] bool can_log_in_again() const;
  Result<Action> on_forbidden(Reply reply, Moment now);
  Result<Action> on_verified(Result<Step<Reply>> result, Moment now);
  Result<Action> log_in_again(Moment now);

  Setup setup_;
  Call call_;
  bool setting_up_ = true;
  bool verifying_ = false;  ///< asking whether the refused token still lives
  bool tried_again_ = false;
  std::optional<Reply> first_refusal_;  ///< told when the refused token turns out to be the right one
  Secret refused_token_;
};

}  // namespace sallyport::secrets::vault
