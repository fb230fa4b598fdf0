// The second half of Setup: who we are at Vault, once it is known where Vault is.
#include "secrets/json_writer.h"
#include "secrets/vault/meaning.h"
#include "secrets/vault/setup.h"
#include "secrets/vault/token.h"

namespace sallyport::secrets::vault {

Setup::Progress Setup::find_token(State& state, Moment now) {
  if (state.options.auth == Options::Auth::approle) return start_approle(state, now);
  if (!state.options.token_file.empty()) return ask_file(Stage::token_file, state.options.token_file);
  return ask_variable(Stage::token_variable, "VAULT_TOKEN");
}

Setup::Progress Setup::on_token_variable(State& state, std::optional<Secret> value, Moment now) {
  if (value) return take_token(state, std::move(*value), Token::Origin::variable, now);
  return ask_variable(Stage::token_file_variable, "VAULT_TOKEN_FILE");
}

Setup::Progress Setup::on_file(State& state, Secret content, Moment now) {
  if (stage_ == Stage::token_file) return take_token(state, std::move(content), Token::Origin::file, now);
  if (stage_ == Stage::role_id_file || stage_ == Stage::secret_id_file) {
    return on_approle_value(state, std::move(content), now);
  }
  return wrong_at(ErrorCode::internal, state, "the driver answered what was not asked", {});
}

Setup::Progress Setup::on_file_failed(State& state, Error error, Moment) {
  if (stage_ == Stage::token_file && optional_file_ && error.code == ErrorCode::not_found) {
    optional_file_ = false;
    if (state.options.auth == Options::Auth::token) return no_token(state);
    return ask_variable(Stage::role_id, "VAULT_ROLE_ID");
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

Setup::Progress Setup::start_approle(State& state, Moment now) {
  if (!state.options.role_id.empty()) {
    stage_ = Stage::role_id;
    return on_approle_value(state, Secret::copy_of(state.options.role_id), now);
  }
  if (!state.options.role_id_file.empty()) return ask_file(Stage::role_id_file, state.options.role_id_file);
  return ask_variable(Stage::role_id, "VAULT_ROLE_ID");
}

Setup::Progress Setup::on_approle_value(State& state, Secret value, Moment now) {
  auto word = trimmed_token(value);
  const bool role = stage_ == Stage::role_id || stage_ == Stage::role_id_file;
  if (!word) {
    return wrong_at(ErrorCode::bad_config, state,
                    role ? "a role_id that is no word" : "a secret_id that is no word",
                    "It is one word of printable characters");
  }
  if (!role) {
    secret_id_ = std::move(*word);
    return log_in(state, now);
  }
  role_id_ = std::move(*word);
  if (!state.options.secret_id_file.empty())
    return ask_file(Stage::secret_id_file, state.options.secret_id_file);
  return ask_variable(Stage::secret_id, "VAULT_SECRET_ID");
}

Setup::Progress Setup::log_in(State& state, Moment now) {
  stage_ = Stage::login;
  JsonWriter body;
  body.text("role_id", role_id_.reveal());
  body.text("secret_id", secret_id_.reveal());
  role_id_.wipe();
  secret_id_.wipe();
  Request request;
  request.method = "POST";
  request.path = "auth/" + state.options.auth_mount + "/login";
  request.body = body.finish();
  auto action = call_.start(state, std::move(request), now);
  if (!action) return std::move(action).error();
  return std::optional<Action>{std::move(*action)};
}

Setup::Progress Setup::on_login(State& state, const Reply& reply) {
  if (!reply.success()) {
    auto error = meaning_of(state, reply, "auth/" + state.options.auth_mount + "/login", "create");
    if (error.code == ErrorCode::denied && reply.status == 403) {
      error.what = "Vault refused the AppRole login (403)";
      error.hint = "Check that AppRole is enabled at mount=" + state.options.auth_mount +
                   " and the address may use it";
    }
    return error;
  }
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
  token.origin = Token::Origin::approle;
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
