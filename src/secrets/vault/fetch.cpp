#include "secrets/vault/fetch.h"

#include "dsn/percent.h"
#include "secrets/json_writer.h"
#include "secrets/revocable.h"
#include "secrets/vault/mount.h"
#include "secrets/vault/token.h"

#include <algorithm>

namespace sallyport::secrets::vault {

namespace {

using namespace std::chrono_literals;

constexpr std::string_view revoke_path = "sys/leases/revoke";
constexpr std::string_view renew_path = "sys/leases/renew";
constexpr std::string_view revoke_self_path = "auth/token/revoke-self";

/// A static role whose time has come is rotated by a queue that ticks every 5 s: ask again soon.
constexpr Duration refetch_when_due = 2s;
constexpr Duration refetch_slack = 1s;
constexpr Duration refetch_unknown = 5min;

std::string encoded(std::string_view path) { return dsn::percent_encode(path, "/"); }

bool allowed(JsonView capabilities) {
  for (const auto& capability : capabilities.elements()) {
    if (capability.text() == "update" || capability.text() == "root") return true;
  }
  return false;
}

/// A time or a number out of a reply, for the audit trail.
std::string plain_version(std::string_view text) {
  const bool plain =
      text.size() <= 40 && std::all_of(text.begin(), text.end(), [](char c) {
        return (c >= '0' && c <= '9') || c == '-' || c == ':' || c == '.' || c == '+' || c == 'T' || c == 'Z';
      });
  return plain ? std::string{text} : std::string{};
}

}  // namespace

Result<Action> Fetch::begin(Moment now) {
  fetched_ = {};
  if (state_.mount) return ask_secret(now);
  return ask_mount(now);
}

bool Fetch::may_log_in_again() const {
  if (stage_ == Stage::capabilities) return false;
  // What is mounted may be hidden from us although we may read it.
  return stage_ != Stage::mount || !mount_by_name(state_.options.path);
}

Result<Action> Fetch::on_reply(Reply reply, Moment now) {
  switch (stage_) {
    case Stage::mount: return on_mount(reply, now);
    case Stage::secret: return on_secret(reply, now);
    case Stage::capabilities: break;
  }
  on_capabilities(reply);
  return Action{Done{}};
}

/// A credential that is already ours is not lost because a question about it failed.
Result<Action> Fetch::on_error(Error error) {
  if (stage_ == Stage::capabilities) return Action{Done{}};
  return error;
}

Result<Action> Fetch::ask_mount(Moment now) {
  stage_ = Stage::mount;
  Request request;
  request.path = "sys/internal/ui/mounts/" + encoded(state_.options.path);
  request.token = &state_.token->value;
  return call(std::move(request), now);
}

Result<Action> Fetch::on_mount(const Reply& reply, Moment now) {
  if (reply.success()) {
    auto mount = mount_from(state_, reply.root()["data"]);
    if (!mount) return std::move(mount).error();
    state_.mount = std::move(*mount);
    return ask_secret(now);
  }
  // 403: the policies allow the secret but hide the mount; 404: a Vault before 0.10.
  const auto guessed = mount_by_name(state_.options.path);
  if ((reply.status == 403 || reply.status == 404) && guessed && !state_.options.version) {
    state_.mount = guessed;
    return ask_secret(now);
  }
  return meaning_of(state_, reply, state_.options.path, "read");
}

std::string Fetch::secret_path() const {
  const auto& path = state_.options.path;
  if (state_.mount->kind != Mount::Kind::kv2) return path;
  return state_.mount->path + "data/" + path.substr(state_.mount->path.size());
}

Result<Action> Fetch::ask_secret(Moment now) {
  stage_ = Stage::secret;
  Request request;
  request.path = encoded(secret_path());
  if (state_.options.version) request.path += "?version=" + std::to_string(*state_.options.version);
  request.token = &state_.token->value;
  if (state_.mount->kind == Mount::Kind::dynamic) request.repeat = Request::Repeat::only_if_not_executed;
  return call(std::move(request), now);
}

/// 404 with a body is a version that was deleted; without, nothing was ever there.
Result<Action> Fetch::on_missing(const Reply& reply) const {
  const auto metadata = reply.root()["data"]["metadata"];
  if (metadata["destroyed"].boolean().value_or(false)) {
    return wrong_at(ErrorCode::not_found, state_, "this version of the secret was destroyed",
                    "Write a new version");
  }
  if (metadata.is_object()) {
    const auto when = plain_version(metadata["deletion_time"].text());
    return wrong_at(ErrorCode::not_found, state_,
                    "this version of the secret was deleted" + (when.empty() ? std::string{} : " at " + when),
                    "Undelete it: vault kv undelete; or ask for another: ?version=N");
  }
  if (state_.options.version) {
    return wrong_at(ErrorCode::not_found, state_, "there is no secret, or not this version of it",
                    "Check version=");
  }
  const bool api_path = state_.options.path.starts_with(state_.mount->path + "data/");
  return wrong_at(
      ErrorCode::not_found, state_, "there is no secret at this path",
      api_path ? "For KV version 2 write the path without data/" : "Check the path: vault kv list");
}

Result<Action> Fetch::on_secret(const Reply& reply, Moment now) {
  const auto kind = state_.mount->kind;
  const bool kv = kind == Mount::Kind::kv1 || kind == Mount::Kind::kv2;
  const bool listed = !reply.root()["errors"].elements().empty();
  if (reply.status == 404 && kv && !listed) {
    auto missing = on_missing(reply);
    state_.mount.reset();  // it may be mounted anew as another version
    return missing;
  }
  if (!reply.success()) {
    auto error = meaning_of(state_, reply, secret_path(), "read");
    if (reply.status == 404) state_.mount.reset();
    return error;
  }
  auto taken = kv ? take_kv(reply) : kind == Mount::Kind::dynamic ? take_dynamic(reply) : take_static(reply);
  if (!taken) return std::move(taken).error();
  const auto& lease = fetched_.credential.lease;
  if (lease && !state_.may_revoke) return ask_capabilities(now);
  return Action{Done{}};
}

Result<void> Fetch::take_shape(JsonView data) {
  auto shaped = shape_object(data, state_.options.shape, state_.where());
  if (!shaped) return std::move(shaped).error();
  fetched_ = std::move(*shaped);
  return {};
}

Result<void> Fetch::take_kv(const Reply& reply) {
  auto data = reply.root()["data"];
  std::string version;
  if (state_.mount->kind == Mount::Kind::kv2) {
    if (const auto number = data["metadata"]["version"].integer()) version = std::to_string(*number);
    data = data["data"];
  }
  if (!data.is_object())
    return wrong_at(ErrorCode::peer_misbehaved, state_, "Vault's answer has no data", {});
  if (auto taken = take_shape(data); !taken) return taken;
  fetched_.credential.version = std::move(version);
  return {};
}

Result<void> Fetch::take_dynamic(const Reply& reply) {
  const auto root = reply.root();
  if (root["wrap_info"].is_object()) {
    return wrong_at(ErrorCode::peer_unsupported, state_,
                    "Vault wraps this answer, which is not in this version",
                    "Remove min_wrapping_ttl from the policy");
  }
  if (auto taken = take_shape(root["data"]); !taken) return taken;
  auto& credential = fetched_.credential;
  if (credential.user.empty())
    return wrong_at(ErrorCode::peer_misbehaved, state_, "Vault's answer has no user name", {});
  Lease lease;
  lease.id = root["lease_id"].text();
  lease.address = to_string(state_.address);
  lease.name_space = state_.name_space;
  lease.mount_and_role = state_.options.path;
  lease.accessor = state_.token->accessor;
  lease.duration = granted_duration(root["lease_duration"]);
  lease.renewable = root["renewable"].boolean().value_or(false);
  if (!revocable(lease) || lease.duration == Duration::zero()) {
    return wrong_at(ErrorCode::peer_misbehaved, state_, "Vault's answer has no lease of this role that ends",
                    {});
  }
  auto expires = plus(reply.sent, lease.duration);
  // A lease dies with its token. Ours is renewed while it can be; another's we cannot count on.
  const auto& token = *state_.token;
  const bool token_lives_on = token.ours() && token.renewable && !token.worn;
  if (token.expires && !token_lives_on) expires = std::min(expires, *token.expires);
  credential.expires = expires;
  if (state_.granted.size() >= granted_leases_max) state_.granted.erase(state_.granted.begin());
  state_.granted[lease.id] = lease.duration;
  credential.lease = std::move(lease);
  return {};
}

Result<void> Fetch::take_static(const Reply& reply) {
  const auto data = reply.root()["data"];
  if (auto taken = take_shape(data); !taken) return taken;
  fetched_.endpoint = {};  // a static role has none; `ttl` and its kind are no fields of a secret
  const auto ttl = data["ttl"].integer();
  if (!ttl)
    fetched_.refetch_after = refetch_unknown;
  else if (*ttl <= 0)
    fetched_.refetch_after = refetch_when_due;
  else
    fetched_.refetch_after = granted_duration(data["ttl"]) + refetch_slack;
  auto version = plain_version(data["last_vault_rotation"].text());
  if (version.empty()) version = plain_version(data["last_openbao_rotation"].text());
  fetched_.credential.version = std::move(version);
  return {};
}

Result<Action> Fetch::ask_capabilities(Moment now) {
  stage_ = Stage::capabilities;
  JsonWriter body;
  body.list("paths", {revoke_path, renew_path, revoke_self_path});
  return post("sys/capabilities-self", body.finish(), now, Request::Repeat::never);
}

void Fetch::on_capabilities(const Reply& reply) {
  const auto data = reply.root()["data"];
  if (!reply.success() || !data.is_object()) {
    state_.warn("Vault did not tell whether leases may be revoked (sys/capabilities-self, status " +
                std::to_string(reply.status) + ")");
    return;
  }
  const auto& lease = *fetched_.credential.lease;
  const auto ends = format_duration(lease.duration);
  state_.may_revoke = allowed(data[revoke_path]);
  state_.may_end_self = allowed(data[revoke_self_path]);
  if (state_.token->ours()) {
    if (!*state_.may_revoke && !*state_.may_end_self) {
      state_.warn(
          "the policies allow us neither to revoke leases nor to end our own token: users of the database "
          "remain until their leases end by themselves (" +
          ends + "). Add: " + policy_lines(revoke_self_path, "update"));
    }
  } else if (!*state_.may_revoke) {
    state_.warn(
        "the token's policies do not allow us to revoke leases: a user of the database remains until its "
        "lease ends by itself (" +
        ends + " after the last renewal). Add: " + policy_lines(revoke_path, "update"));
  }
  if (lease.renewable && !allowed(data[renew_path])) {
    state_.warn("the token's policies do not allow us to renew leases: each is replaced instead, every " +
                ends + ". Add: " + policy_lines(renew_path, "update"));
  }
  const auto& token = *state_.token;
  if (!token.ours() && token.expires && *fetched_.credential.expires == *token.expires) {
    state_.warn("the token ends at " + format_utc(*token.expires) +
                ", before the lease would, and all its leases end with it. Let Sallyport log in itself "
                "(auth=…), or renew the token");
  }
}

}  // namespace sallyport::secrets::vault
