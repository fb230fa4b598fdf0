// The second half of Setup: who we are at Vault, once it is known where Vault is.
#include "secrets/vault/meaning.h"
#include "secrets/vault/setup.h"
#include "secrets/vault/token.h"

namespace sallyport::secrets::vault {

Setup::Progress Setup::find_token(State& state, Moment now) {
  using Auth = Options::Auth;
  if (state.options.auth != Auth::automatic && state.options.auth != Auth::token)
    return start_login(state, now);
  if (!state.options.token_file.empty()) return ask_file(Stage::token_file, state.options.token_file);
  return ask_variable(Stage::token_variable, "VAULT_TOKEN");
}

Setup::Progress Setup::on_token_variable(State& state, std::optional<Secret> value, Moment now) {
  if (value) return take_token(state, std::move(*value), Token::Origin::variable, now);
  return ask_variable(Stage::token_file_variable, "VAULT_TOKEN_FILE");
}

Setup::Progress Setup::on_file(State& state, Secret content, Moment now) {
  if (stage_ == Stage::token_file) return take_token(state, std::move(content), Token::Origin::file, now);
  return wrong_at(ErrorCode::internal, state, "the driver answered what was not asked", {});
}

Setup::Progress Setup::on_file_failed(State& state, Error error, Moment now) {
  if (stage_ == Stage::token_file && optional_file_ && error.code == ErrorCode::not_found) {
    optional_file_ = false;
    if (state.options.auth == Options::Auth::token) return no_token(state);
    return start_login(state, now);
  }
  error.hop = Hop::secret_source;
  error.where = path_.empty() ? state.where() : state.where() + " (" + path_ + ")";
  return error;
}

Setup::Progress Setup::take_token(State& state, Secret text, Token::Origin origin, Moment now) {
  auto value = trimmed_token(text);
  if (!value) {
    return wrong_at(ErrorCode::bad_config, state,
                    origin == Token::Origin::file ? "no token in " + path_ : "no token in VAULT_TOKEN",
                    "A token is one word of printable characters");
  }
  Token token;
  token.value = std::move(*value);
  token.origin = origin;
  if (origin == Token::Origin::file) token.file = path_;
  state.token = std::move(token);
  return look_up(state, now);
}

Setup::Progress Setup::start_login(State& state, Moment now) {
  stage_ = Stage::gather;
  gathering_.emplace(std::vector<InquiryRun::Step>{[this, &state](Inquiry& ask) -> Result<Then> {
                       auto login = gather_login(ask, state);
                       if (!login) return std::move(login).error();
                       login_ = std::move(*login);
                       return Then::next_step;
                     }},
                     state.where());
  return gather(state, {now, Started{random_}});
}

Setup::Progress Setup::gather(State& state, Input input) {
  const Moment now = input.now;
  auto action = gathering_->resume(std::move(input));
  if (!action) return std::move(action).error();
  if (!std::holds_alternative<Done>(*action)) return std::optional<Action>{std::move(*action)};
  gathering_.reset();
  return log_in(state, now);
}

Setup::Progress Setup::log_in(State& state, Moment now) {
  stage_ = Stage::login;
  state.client_certificate = std::move(login_.client_certificate);
  state.client_key = std::move(login_.client_key);
  if (login_.unwrapped) state.unwrapped = std::move(login_.unwrapped);
  Request request;
  request.method = "POST";
  request.path = std::move(login_.path);
  request.body = std::move(login_.body);
  login_ = {};
  auto action = call_.start(state, std::move(request), now);
  if (!action) return std::move(action).error();
  return std::optional<Action>{std::move(*action)};
}

Setup::Progress Setup::on_login(State& state, const Reply& reply) {
  if (!reply.success()) return login_refused(state, reply);
  const auto auth = reply.root()["auth"];
  if (auth["mfa_requirement"].is_object()) {
    return wrong_at(ErrorCode::peer_unsupported, state, "Vault asks for a second factor at login",
                    "Use a role without MFA");
  }
  const auto value = trimmed_token(Secret::copy_of(auth["client_token"].text()));
  if (!value)
    return wrong_at(ErrorCode::peer_misbehaved, state, "Vault's answer to the login has no token", {});
  Token token;
  token.value = value->clone();
  token.origin = Token::Origin::login;
  token.accessor = plain_accessor(auth["accessor"].text());
  token.looked_up = reply.sent;
  note_grant(token, auth, reply.sent);
  state.token = std::move(token);
  return check_policies(state, auth);
}

Setup::Progress Setup::look_up(State& state, Moment now) {
  stage_ = Stage::look_up;
  Request request;
  request.path = "auth/token/lookup-self";
  request.token = &state.token->value;
  auto action = call_.start(state, std::move(request), now);
  if (!action) return std::move(action).error();
  return std::optional<Action>{std::move(*action)};
}

/// A 403 here is also what a token without the default policy gets: what it can do shows at the fetch.
Setup::Progress Setup::on_look_up(State& state, const Reply& reply) {
  auto& token = *state.token;
  token.looked_up = reply.sent;
  token.refused_look = reply.status == 403;
  if (token.refused_look) {
    token.expires.reset();
    return std::optional<Action>{};
  }
  if (!reply.success()) {
    auto error = meaning_of(state, reply, "auth/token/lookup-self", "read");
    state.token.reset();
    return error;
  }
  const auto data = reply.root()["data"];
  token.accessor = plain_accessor(data["accessor"].text());
  token.renewable = data["renewable"].boolean().value_or(false);
  const auto ttl = granted_duration(data["ttl"]);
  token.expires.reset();
  if (ttl > Duration::zero()) token.expires = plus(reply.sent, ttl);
  return check_policies(state, data);
}

Setup::Progress Setup::check_policies(State& state, JsonView holder) {
  bool root = false;
  for (const auto& policy : holder["policies"].elements()) root = root || policy.text() == "root";
  for (const auto& policy : holder["token_policies"].elements()) root = root || policy.text() == "root";
  if (!root) return std::optional<Action>{};
  if (state.options.allow_root_token) {
    state.warn(
        "a root token of Vault is in use: it may do everything; use a policy that allows what is needed");
    return std::optional<Action>{};
  }
  state.token.reset();
  return wrong_at(ErrorCode::bad_config, state, "the token is a root token of Vault, which may do everything",
                  "Use a token whose policy allows only what is needed, or allow it: --allow-root-token, or "
                  "allow_root_token=true in the reference");
}

}  // namespace sallyport::secrets::vault
