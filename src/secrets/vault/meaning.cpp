#include "secrets/vault/meaning.h"

#include "base/ascii.h"
#include "secrets/fallback_fix.h"

namespace sallyport::secrets::vault {

namespace {

struct Row {
  std::string_view sentence;  ///< lower case
  ErrorCode code;
  std::string_view what;
  std::string_view hint;
};

// In this order: the first sentence found counts, so the particular ones come before "permission denied".
constexpr Row sentences[] = {
    {"vault is sealed", ErrorCode::retry_later, "Vault is sealed", "Unseal it: vault operator unseal"},
    {"openbao is sealed", ErrorCode::retry_later, "Vault is sealed", "Unseal it: bao operator unseal"},
    {"unknown role", ErrorCode::bad_config, "Vault does not know this role",
     "Check the last part of the reference, or create the role"},
    {"is not an allowed role", ErrorCode::bad_config,
     "the role is not among its database connection's allowed_roles",
     "Add it: vault write database/config/NAME allowed_roles=…"},
    {"lease not found", ErrorCode::not_found, "the lease has ended", {}},
    {"lease expired", ErrorCode::not_found, "the lease has ended", {}},
    {"lease is not renewable", ErrorCode::denied, "the lease cannot be renewed", {}},
    {"past the max ttl", ErrorCode::denied, "the lease has reached its max TTL", {}},
    {"invalid role or secret id", ErrorCode::denied, "Vault refused the role_id and secret_id of AppRole",
     "Check both; a secret_id may have expired or be used up"},
    {"invalid secret id", ErrorCode::denied, "Vault refused the secret_id of AppRole",
     "It may have expired or be used up: make a new one"},
    {"invalid role id", ErrorCode::denied, "Vault refused the role_id of AppRole", "Check the role_id"},
    {"failed to validate secret id", ErrorCode::denied, "Vault refused the secret_id of AppRole",
     "It may have expired or be used up: make a new one"},
    {"namespace not found", ErrorCode::bad_config, "Vault does not have this namespace",
     "Check VAULT_NAMESPACE or namespace="},
    {"no handler for route", ErrorCode::bad_config, "nothing is mounted at this path of Vault",
     "Check the first part of the reference"},
    {"unsupported path", ErrorCode::bad_config, "the engine mounted there has no such path",
     "Check the reference"},
    {"unsupported operation", ErrorCode::bad_config, "the engine mounted there cannot do that",
     "Check the reference"},
    {"password authentication failed", ErrorCode::retry_later, "the database refused Vault's own login",
     "Check database/config/NAME, or rotate it: vault write -f database/rotate-root/NAME"},
    {"too many clients", ErrorCode::retry_later, "the database has no connection left for Vault", {}},
    {"too many connections", ErrorCode::retry_later, "the database has no connection left for Vault", {}},
    {"connection refused", ErrorCode::retry_later, "Vault could not reach the database",
     "Check database/config/NAME"},
    {"no such host", ErrorCode::retry_later, "Vault could not find the database's host",
     "Check database/config/NAME"},
    {"i/o timeout", ErrorCode::retry_later, "Vault could not reach the database",
     "Check database/config/NAME"},
    {"context deadline exceeded", ErrorCode::retry_later, "Vault gave up waiting for the database", {}},
    {"rate limit", ErrorCode::retry_later, "Vault's rate limit was passed", {}},
    {"missing client token", ErrorCode::denied, "Vault asks for a token", {}},
};

const Row* known_sentence(const Reply& reply) {
  constexpr std::size_t texts_max = 16;
  constexpr std::size_t text_bytes_max = 4'096;
  std::size_t seen = 0;
  for (const auto& error : reply.root()["errors"].elements()) {
    if (++seen > texts_max) return nullptr;
    auto text = to_lower(error.text().substr(0, text_bytes_max));
    const Row* found = nullptr;
    for (const auto& row : sentences) {
      if (text.find(row.sentence) == std::string::npos) continue;
      found = &row;
      break;
    }
    wipe_memory(text.data(), text.size());
    if (found != nullptr) return found;
  }
  return nullptr;
}

constexpr std::string_view log_hint =
    "Vault's log has the reason; its text is not shown, as it may hold secrets";

struct Told {
  ErrorCode code;
  std::string what;
  std::string hint;
};

Told by_status(const State& state, int status, std::string_view path, std::string_view capability) {
  switch (status) {
    case 400: return {ErrorCode::bad_config, "Vault refused the request (400)", std::string{log_hint}};
    case 401:
    case 403:
      if (state.token && state.token->refused_look) {
        return {ErrorCode::denied,
                "the token is probably not valid (any more): Vault refuses it everything we asked",
                "Set VAULT_TOKEN anew, or run `vault login`; if it is valid, add to its policy: " +
                    policy_lines(path, capability)};
      }
      return {ErrorCode::denied,
              "permission denied: the token is not valid (any more), or its policies do not allow this",
              "Renew the token, or add to its policy: " + policy_lines(path, capability)};
    case 404: return {ErrorCode::not_found, "Vault has nothing at this path", "Check the reference"};
    case 405:
      return {ErrorCode::bad_config, "the engine mounted there cannot do that", "Check the reference"};
    case 412: return {ErrorCode::retry_later, "this node of Vault lags behind the active one (412)", {}};
    case 429: return {ErrorCode::retry_later, "Vault's rate limit was passed (429)", {}};
    case 472:
    case 473:
      return {ErrorCode::retry_later, "this node of Vault is a standby", "Set VAULT_ADDR to the active node"};
    case 503:
      return {ErrorCode::retry_later, "Vault cannot serve now (503)",
              "It may be sealed, starting or in maintenance"};
    default: break;
  }
  if (status >= 500 && status < 600) {
    return {ErrorCode::retry_later, "Vault failed (" + std::to_string(status) + ")", std::string{log_hint}};
  }
  return {ErrorCode::peer_misbehaved,
          "status " + std::to_string(status) + " from " + to_string(state.address),
          "Check that VAULT_ADDR is the address of a Vault or OpenBao"};
}

}  // namespace

std::string policy_lines(std::string_view path, std::string_view capability) {
  return "path \"" + std::string{path} + "\" { capabilities = [\"" + std::string{capability} + "\"] }";
}

Error meaning_of(const State& state, const Reply& reply, std::string_view path, std::string_view capability) {
  Error error{ErrorCode::internal, Hop::secret_source, state.where(), {}, {}, {}};
  if (!reply.plain_text_hint.empty()) {
    error.code = ErrorCode::bad_config;
    error.what = to_string(state.address) + " speaks https, and VAULT_ADDR says http";
    error.hint = "Write VAULT_ADDR=https://…";
    return error;
  }
  if (const auto* row = known_sentence(reply)) {
    error.code = row->code;
    error.what = row->what;
    error.hint = row->hint;
    return error;
  }
  auto told = by_status(state, reply.status, path, capability);
  error.code = told.code;
  error.what = std::move(told.what);
  error.hint = std::move(told.hint);
  return with_fix(std::move(error));
}

Error wrong_at(ErrorCode code, const State& state, std::string what, std::string hint) {
  return with_fix({code, Hop::secret_source, state.where(), std::move(what), std::move(hint), {}});
}

Error no_token(const State& state) {
  return wrong_at(ErrorCode::bad_config, state, "no token and no AppRole for Vault",
                  "Set VAULT_TOKEN, or run `vault login`, or set VAULT_ROLE_ID and VAULT_SECRET_ID");
}

}  // namespace sallyport::secrets::vault
