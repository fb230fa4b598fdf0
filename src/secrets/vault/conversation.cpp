#include "secrets/vault/conversation.h"

#include "secrets/fallback_fix.h"
#include "secrets/vault/token.h"

namespace sallyport::secrets::vault {

Result<Action> Exchange::step(Input input) {
  auto next = advance(std::move(input));
  if (!next) return with_fix(std::move(next).error());
  return next;
}

Result<Action> Exchange::advance(Input input) {
  const Moment now = input.now;
  if (auto* event = std::get_if<Started>(&input.event)) {
    setup_.seed(event->random);
    call_.seed(event->random);
    if (auto refused = refuse_early()) return std::move(*refused);
    return after_setup(setup_.start(state_, now), now);
  }
  if (setting_up_) return after_setup(setup_.resume(state_, std::move(input)), now);
  auto result = call_.resume(state_, std::move(input));
  if (verifying_) return on_verified(std::move(result), now);
  if (!result) return on_error(std::move(result).error());
  if (auto* action = std::get_if<Action>(&*result)) return std::move(*action);
  auto reply = std::move(std::get<Reply>(*result));
  if (reply.status == 403 && can_log_in_again()) return on_forbidden(std::move(reply), now);
  return on_reply(std::move(reply), now);
}

Result<Action> Exchange::call(Request request, Moment now) {
  return call_.start(state_, std::move(request), now);
}

Result<Action> Exchange::post(std::string_view path, Secret body, Moment now, Request::Repeat repeat) {
  Request request;
  request.method = "POST";
  request.path = path;
  request.body = std::move(body);
  request.token = &state_.token->value;
  request.repeat = repeat;
  return call(std::move(request), now);
}

Result<Action> Exchange::after_setup(Result<std::optional<Action>> progress, Moment now) {
  if (!progress) return std::move(progress).error();
  if (*progress) return std::move(**progress);
  setting_up_ = false;
  if (first_refusal_ && state_.token && state_.token->value.equals(refused_token_)) {
    return on_reply(std::move(*first_refusal_), now);
  }
  first_refusal_.reset();
  return begin(now);
}

/// A token of our own may have ended; a token file may hold a new one (agents write them anew).
bool Exchange::can_log_in_again() const {
  if (tried_again_ || !may_log_in_again() || !state_.token) return false;
  return state_.token->origin != Token::Origin::variable;
}

/// Vault says the same of a token that has ended and of one whose policies do not allow the request. For ours we
/// ask which it is: logging in anew for nothing would leave a living token behind each time.
Result<Action> Exchange::on_forbidden(Reply reply, Moment now) {
  tried_again_ = true;
  first_refusal_ = std::move(reply);
  if (!state_.token->ours()) return log_in_again(now);
  verifying_ = true;
  Request request;
  request.path = "auth/token/lookup-self";
  request.token = &state_.token->value;
  request.repeat = Request::Repeat::never;
  return call_.start(state_, std::move(request), now);
}

Result<Action> Exchange::on_verified(Result<Step<Reply>> result, Moment now) {
  if (result) {
    if (auto* action = std::get_if<Action>(&*result)) return std::move(*action);
    if (std::get<Reply>(*result).status == 403) {
      verifying_ = false;
      return log_in_again(now);
    }
  }
  verifying_ = false;
  return on_reply(std::move(*first_refusal_), now);
}

Result<Action> Exchange::log_in_again(Moment now) {
  setting_up_ = true;
  refused_token_ = state_.token->value.clone();
  // Without the default policy a living token is refused here, too: close() ends it with the others.
  if (state_.token->ours())
    retire(state_, now.wall);
  else
    state_.token.reset();
  return after_setup(setup_.start(state_, now), now);
}

}  // namespace sallyport::secrets::vault
