// What a vault's answers mean. Its own messages are not shown: they repeat what was asked, and may hold what they please.
#include "base/ascii.h"
#include "secrets/azure/vault.h"

#include <algorithm>

namespace sallyport::secrets::azure {

namespace {

Error wrong(ErrorCode code, const VaultState& state, std::string what, std::string hint) {
  return {code, Hop::secret_source, state.options.where(), std::move(what), std::move(hint), {}};
}

std::string lookup(const VaultState& state, std::string_view command) {
  return "az keyvault secret " + std::string{command} + " --vault-name " + state.options.short_name();
}

Error not_found(const VaultState& state) {
  const auto& options = state.options;
  if (!options.version.empty()) {
    return wrong(ErrorCode::not_found, state,
                 "there is no version " + options.version + " of the secret " + options.secret,
                 "List them: " + lookup(state, "list-versions") + " --name " + options.secret +
                     "; or leave the version out");
  }
  return wrong(ErrorCode::not_found, state, "there is no secret " + options.secret + " in this vault",
               "Check its name: " + lookup(state, "list"));
}

/// Who we are, in the words of the token: to be found again in the vault's access list.
std::string who(const VaultState& state) {
  const auto claims = claims_of(state.cache.token().value);
  if (!claims.user.empty()) return claims.user;
  return claims.application_id.empty() ? "this identity" : "client id " + claims.application_id;
}

Error forbidden(const WebReply& reply, const VaultState& state) {
  const auto inner = shown_code(reply.root()["error"]["innererror"]["code"].text());
  const auto& options = state.options;
  if (inner == "SecretDisabled") {
    return wrong(
        ErrorCode::denied, state, "the secret is disabled",
        "Enable it: " + lookup(state, "set-attributes") + " --name " + options.secret + " --enabled true");
  }
  if (inner == "ForbiddenByFirewall" || inner == "ForbiddenByConnection") {
    return wrong(ErrorCode::denied, state,
                 "the vault's firewall does not let this address in (" + inner + ")",
                 "az keyvault network-rule add --name " + options.short_name() +
                     " --ip-address ADDRESS, or connect through its private endpoint");
  }
  const std::string by_policy =
      "az keyvault set-policy --name " + options.short_name() + " --spn CLIENT_ID --secret-permissions get";
  const std::string by_role =
      "az role assignment create --role \"Key Vault Secrets User\" --assignee CLIENT_ID --scope VAULT_ID";
  const std::string hint = inner == "ForbiddenByPolicy" ? by_policy
                           : inner == "ForbiddenByRbac"
                               ? by_role + "; it takes some minutes"
                               : by_role + "; or, with access policies, " + by_policy;
  const std::string whom = state.challenge ? who(state) : "nobody";
  return wrong(ErrorCode::denied, state,
               whom + " may not read this secret (403" + (inner.empty() ? "" : ", " + inner) + ")", hint);
}

Error unauthorised(const VaultState& state) {
  std::string hint = "Check that AZURE_TENANT_ID is the vault's tenant";
  std::string what = "the vault does not accept the token (401)";
  if (!state.challenge || state.challenge->tenant.empty()) return wrong(ErrorCode::denied, state, what, hint);
  const auto ours = claims_of(state.cache.token().value).tenant;
  const auto& theirs = state.challenge->tenant;
  if (!ours.empty() && to_lower(ours) != to_lower(theirs)) {
    what += ": it is of tenant " + ours + ", and the vault belongs to tenant " + theirs;
    hint = "Write tenant=" + theirs + " into the reference, or set AZURE_TENANT_ID";
  }
  return wrong(ErrorCode::denied, state, what, hint);
}

}  // namespace

Error vault_meaning(const WebReply& reply, const VaultState& state) {
  if (reply.status == 401) return unauthorised(state);
  if (reply.status == 403) return forbidden(reply, state);
  const auto code = shown_code(reply.root()["error"]["code"].text());
  if (reply.status == 404 && (code == "SecretNotFound" || code.empty())) return not_found(state);
  const auto said = "status " + std::to_string(reply.status) + (code.empty() ? "" : ", " + code);
  if (reply.status == 429)
    return wrong(ErrorCode::retry_later, state, "the vault has too many requests (" + said + ")",
                 "A vault takes some 4000 in 10 s: fewer restarts, or another vault");
  if (reply.status == 408 || reply.status >= 500)
    return wrong(ErrorCode::retry_later, state, "the vault cannot answer now (" + said + ")", {});
  return wrong(reply.status == 404 ? ErrorCode::not_found : ErrorCode::peer_misbehaved, state,
               "the vault answers with " + said, "Check the vault's name");
}

Error soft_deleted(const WebReply& reply, const VaultState& state) {
  const auto when = reply.root()["deletedDate"].integer();
  const bool plausible = when && *when > 0 && *when < 1LL << 33;
  const auto since =
      plausible ? " since " + format_utc(WallTime{std::chrono::seconds{*when}}) : std::string{};
  return wrong(ErrorCode::not_found, state, "the secret is deleted" + since + ", but can be recovered",
               "Recover it: " + lookup(state, "recover") + " --name " + state.options.secret);
}

Result<Fetched> shaped(const WebReply& reply, const VaultState& state) {
  const auto root = reply.root();
  const auto value = root["value"];
  if (value.kind() != JsonView::Kind::string) {
    return wrong(ErrorCode::peer_misbehaved, state, "the vault's answer has no value",
                 "Check that the address is a vault's, and no proxy's or login page's");
  }
  if (root["contentType"].text() == "application/x-pkcs12") {
    return wrong(ErrorCode::peer_unsupported, state,
                 "the secret is a certificate's (PKCS #12), and no password",
                 "Name the secret that holds the database's password");
  }
  return shape_secret(Secret::copy_of(value.text()), state.options.shape, state.options.where());
}

}  // namespace sallyport::secrets::azure
