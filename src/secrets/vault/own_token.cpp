#include "secrets/vault/own_token.h"

#include "secrets/fallback_fix.h"
#include "secrets/json_writer.h"
#include "secrets/vault/token.h"

namespace sallyport::secrets::vault {

namespace {

constexpr std::string_view renew_self_path = "auth/token/renew-self";
constexpr std::string_view revoke_self_path = "auth/token/revoke-self";

}  // namespace

Result<Action> KeepAlive::begin(Moment now) {
  if (!state_.token->ours()) return Action{Done{}};
  JsonWriter body;
  if (state_.token->granted > Duration::zero()) {
    body.number("increment", std::chrono::duration_cast<std::chrono::seconds>(state_.token->granted).count());
  }
  return post(renew_self_path, body.finish(), now);
}

Result<Action> KeepAlive::on_reply(Reply reply, Moment) {
  if (!reply.success()) {
    auto error = meaning_of(state_, reply, renew_self_path, "update");
    if (reply.status == 403) state_.token->renew_at.reset();
    return error;
  }
  const auto auth = reply.root()["auth"];
  if (!auth.is_object()) {
    return Error{ErrorCode::peer_misbehaved,
                 Hop::secret_source,
                 state_.where(),
                 "Vault's answer to the renewal of our token says nothing of it",
                 {},
                 {}};
  }
  note_grant(*state_.token, auth, reply.sent);
  return Action{Done{}};
}

void Close::collect() {
  tokens_ = std::move(state_.old_tokens);
  state_.old_tokens.clear();
  has_current_ = state_.token && state_.token->ours();
  if (!has_current_) return;
  tokens_.push_back(std::move(*state_.token));
  state_.token.reset();
}

Result<Action> Close::end_next(Moment now) {
  if (tokens_.empty()) {
    if (first_error_) return std::move(*first_error_);
    return Action{Done{}};
  }
  Request request;
  request.method = "POST";
  request.path = revoke_self_path;
  request.token = &tokens_.back().value;
  return call_.start(state_, std::move(request), now);
}

/// What could not be ended is kept: its leases can still be ended one by one with it.
void Close::keep(Error error) {
  auto token = std::move(tokens_.back());
  if (has_current_)
    state_.token = std::move(token);
  else
    state_.old_tokens.push_back(std::move(token));
  if (!first_error_) first_error_ = with_fix(std::move(error));
}

Result<Action> Close::resume(Input input) {
  const Moment now = input.now;
  if (auto* event = std::get_if<Started>(&input.event)) {
    call_.seed(event->random);
    collect();
    return end_next(now);
  }
  auto result = call_.resume(state_, std::move(input));
  if (!result) {
    keep(std::move(result).error());
  } else if (auto* action = std::get_if<Action>(&*result)) {
    return std::move(*action);
  } else if (const auto& reply = std::get<Reply>(*result); !reply.success()) {
    // 403 is also what a token gets that has ended already.
    const bool over = reply.status == 403 && state_.may_end_self != false;
    if (!over) keep(meaning_of(state_, reply, revoke_self_path, "update"));
  }
  tokens_.pop_back();
  has_current_ = false;
  return end_next(now);
}

}  // namespace sallyport::secrets::vault
