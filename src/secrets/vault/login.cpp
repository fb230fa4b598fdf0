#include "secrets/vault/login.h"

#include "base/limits.h"
#include "secrets/json_writer.h"
#include "secrets/kubernetes/account.h"
#include "secrets/vault/meaning.h"
#include "secrets/vault/token.h"

namespace sallyport::secrets::vault {

namespace {

Error missing(const State& state, std::string what, std::string hint) {
  return wrong_at(ErrorCode::bad_config, state, std::move(what), std::move(hint));
}

Error at_file(const State& state, const std::string& path, Error error) {
  error.hop = Hop::secret_source;
  error.where = state.where() + " (" + path + ")";
  return error;
}

/// A role_id or a secret_id out of a variable.
Result<Secret> word_of_variable(Inquiry& ask, const State& state, const char* name, std::string_view what) {
  const auto* value = ask.variable(name);
  if (value == nullptr) return Secret{};
  auto word = trimmed_token(*value);
  if (!word) {
    return missing(state, "a " + std::string{what} + " that is no word",
                   "It is one word of printable characters");
  }
  return std::move(*word);
}

Result<Secret> role_id_of(Inquiry& ask, const State& state) {
  const auto& options = state.options;
  if (!options.role_id.empty()) return Secret::copy_of(options.role_id);
  // A role_id is a name.
  if (!options.role_id_file.empty()) return word_of_file(ask, state, options.role_id_file, false, "role_id");
  auto word = word_of_variable(ask, state, "VAULT_ROLE_ID", "role_id");
  if (!word || !word->empty()) return word;
  if (options.auth != Options::Auth::approle) return no_token(state);
  return missing(state, "no role_id for AppRole", "Set VAULT_ROLE_ID, or role_id_file=/path");
}

Result<Secret> secret_id_of(Inquiry& ask, const State& state) {
  const auto& options = state.options;
  if (!options.secret_id_file.empty()) {
    return word_of_file(ask, state, options.secret_id_file, true, "secret_id");
  }
  auto word = word_of_variable(ask, state, "VAULT_SECRET_ID", "secret_id");
  if (!word || !word->empty()) return word;
  return missing(state, "no secret_id for AppRole", "Set VAULT_SECRET_ID, or secret_id_file=/path");
}

Result<Login> gather_jwt(Inquiry& ask, const State& state) {
  const auto& options = state.options;
  const auto path = options.jwt_file.empty() ? std::string{kubernetes::mounted_token} : options.jwt_file;
  auto token = kubernetes::read_web_token(ask, path, state.where());
  if (!token) {
    auto error = std::move(token).error();
    if (error.code == ErrorCode::not_found && options.jwt_file.empty()) {
      error.hint = "Run it in a pod whose service account is mounted, or name the token: jwt_file=/path";
    }
    return error;
  }
  JsonWriter body;
  if (!options.role.empty()) body.text("role", options.role);
  body.text("jwt", token->reveal());
  return Login{login_path(options), body.finish(), {}, {}, {}};
}

Result<Login> gather_certificate(Inquiry& ask, const State& state) {
  const auto& options = state.options;
  Login login;
  login.path = login_path(options);
  auto certificate = ask.file({options.client_certificate, limits::secret_bytes_max, FileTrust::any});
  if (!certificate) return at_file(state, options.client_certificate, std::move(certificate).error());
  if ((*certificate)->reveal().find("-----BEGIN CERTIFICATE-----") == std::string_view::npos) {
    return missing(state, "no certificate in " + options.client_certificate,
                   "It is a PEM file, our own first");
  }
  login.client_certificate = (*certificate)->reveal();
  auto key = ask.file({options.client_key, limits::secret_bytes_max, FileTrust::is_private});
  if (!key) return at_file(state, options.client_key, std::move(key).error());
  login.client_key = (*key)->clone();
  JsonWriter body;
  if (!options.role.empty()) body.text("name", options.role);
  login.body = body.finish();
  return login;
}

Result<Login> gather_userpass(Inquiry& ask, const State& state) {
  const auto& options = state.options;
  auto content = ask.file({options.password_file, token_bytes_max, FileTrust::is_private});
  if (!content) return at_file(state, options.password_file, std::move(content).error());
  auto password = (*content)->reveal();
  if (password.ends_with('\n')) password.remove_suffix(password.ends_with("\r\n") ? 2 : 1);
  if (password.empty()) return missing(state, "no password in " + options.password_file, "Write it there");
  JsonWriter body;
  body.text("password", password);
  return Login{login_path(options), body.finish(), {}, {}, {}};
}

struct Advice {
  Options::Auth method;
  std::string_view hint;
};

constexpr Advice advices[] = {
    {Options::Auth::approle, "the address may use it, and role_id and secret_id are of this role"},
    {Options::Auth::kubernetes,
     "role= exists, and binds this service account, its namespace and the token's audience"},
    {Options::Auth::jwt,
     "role= exists, and binds the token's issuer, audience and subject; the token may have expired"},
    {Options::Auth::cert,
     "a certificate role there has the authority of ours, and its constraints (names, role=) match"},
    {Options::Auth::userpass, "username= exists there, and the password file has its password"},
    {Options::Auth::gcp, "role= exists, is of type gce or iam, and binds this project and service account"},
    {Options::Auth::azure,
     "role= exists, and binds this subscription, resource group and machine; resource= is its audience"},
    {Options::Auth::aws,
     "role= exists, and binds our ARN; iam_server_id= and region= are what the mount asks for"},
};

}  // namespace

std::string login_path(const Options& options) {
  auto path = "auth/" + options.mount_name() + "/login";
  if (options.auth == Options::Auth::userpass) path += "/" + options.username;
  return path;
}

Result<Secret> word_of_file(Inquiry& ask, const State& state, const std::string& path, bool is_private,
                            std::string_view what) {
  auto content = ask.file({path, token_bytes_max, private_if(is_private)});
  if (!content) return at_file(state, path, std::move(content).error());
  auto word = trimmed_token(**content);
  if (!word) {
    return missing(state, "a " + std::string{what} + " that is no word",
                   "It is one word of printable characters");
  }
  return std::move(*word);
}

Result<Login> gather_approle(Inquiry& ask, State& state) {
  auto role_id = role_id_of(ask, state);
  if (!role_id) return std::move(role_id).error();
  auto secret_id = secret_id_of(ask, state);
  if (!secret_id) return std::move(secret_id).error();
  Login login;
  if (state.options.secret_id_wrapped) {
    const auto& known = state.unwrapped;
    // A wrapping opens once: what was in it is kept for as long as nobody brings another.
    if (known && known->wrapping_token.equals(*secret_id)) {
      secret_id = known->secret_id.clone();
    } else {
      auto inside = unwrap_secret_id(ask, state, *secret_id);
      if (!inside) return std::move(inside).error();
      login.unwrapped = Unwrapped{std::move(*secret_id), inside->clone()};
      secret_id = std::move(*inside);
    }
  }
  JsonWriter body;
  body.text("role_id", role_id->reveal());
  body.text("secret_id", secret_id->reveal());
  login.path = login_path(state.options);
  login.body = body.finish();
  return login;
}

Result<Login> gather_login(Inquiry& ask, State& state) {
  switch (state.options.auth) {
    case Options::Auth::automatic:
    case Options::Auth::token:
    case Options::Auth::approle: return gather_approle(ask, state);
    case Options::Auth::kubernetes:
    case Options::Auth::jwt: return gather_jwt(ask, state);
    case Options::Auth::cert: return gather_certificate(ask, state);
    case Options::Auth::userpass: return gather_userpass(ask, state);
    case Options::Auth::gcp: return gather_gcp(ask, state);
    case Options::Auth::azure: return gather_azure(ask, state);
    case Options::Auth::aws: return gather_aws(ask, state);
  }
  return no_token(state);
}

Error login_refused(const State& state, const Reply& reply) {
  const auto& options = state.options;
  auto error = meaning_of(state, reply, login_path(options), "create");
  // A sentence that was recognised says it better, but for AppRole's 403.
  const bool approle = options.method() == "approle";
  const bool plain = reply.status == 400 || reply.status == 401 || reply.status == 403;
  const bool told = error.code == ErrorCode::retry_later || (approle && reply.status != 403) ||
                    error.what.starts_with("Vault does not have this namespace") ||
                    !reply.plain_text_hint.empty();
  if (!plain || told) return error;
  error.code = ErrorCode::denied;
  error.what = "Vault refused the " + (approle ? std::string{"AppRole"} : std::string{options.method()}) +
               " login (" + std::to_string(reply.status) + ")";
  for (const auto& [method, hint] : advices) {
    if (method != options.auth && !(approle && method == Options::Auth::approle)) continue;
    error.hint = "Check that " + std::string{options.method()} +
                 " is enabled at mount=" + options.mount_name() + " and " + std::string{hint};
  }
  return error;
}

}  // namespace sallyport::secrets::vault
