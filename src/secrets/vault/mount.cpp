#include "secrets/vault/mount.h"

#include "secrets/vault/meaning.h"

#include <algorithm>

namespace sallyport::secrets::vault {

std::optional<Mount> mount_by_name(std::string_view path) {
  const auto last = path.rfind('/');
  if (last == std::string_view::npos) return std::nullopt;
  const auto parent = path.substr(0, last);
  if (parent.ends_with("/creds")) return Mount{Mount::Kind::dynamic, {}};
  if (parent.ends_with("/static-creds")) return Mount{Mount::Kind::static_role, {}};
  return std::nullopt;
}

Result<Mount> mount_from(const State& state, JsonView data) {
  const std::string_view path = state.options.path;
  const auto mount = data["path"].text();
  const auto type = data["type"].text();
  if (!mount.ends_with('/') || !path.starts_with(mount) || path.size() == mount.size()) {
    if (std::string{path} + "/" == mount) {
      return wrong_at(ErrorCode::bad_config, state, "this is a mount, and no secret in it",
                      "Write its name behind a slash");
    }
    return wrong_at(ErrorCode::peer_misbehaved, state, "Vault names a mount that this path is not below", {});
  }
  const auto inside = path.substr(mount.size());
  if (type == "kv" || type == "generic" || type == "cubbyhole") {
    const bool second = type == "kv" && data["options"]["version"].text() == "2";
    if (state.options.version && !second) {
      return wrong_at(ErrorCode::bad_config, state,
                      "version= is for KV version 2, and this mount keeps no versions", "Remove version=");
    }
    return Mount{second ? Mount::Kind::kv2 : Mount::Kind::kv1, std::string{mount}};
  }
  if (state.options.version) {
    return wrong_at(ErrorCode::bad_config, state, "version= is for KV version 2", "Remove version=");
  }
  const bool one_name = std::count(inside.begin(), inside.end(), '/') == 1;
  if (one_name && inside.starts_with("creds/")) return Mount{Mount::Kind::dynamic, std::string{mount}};
  if (one_name && inside.starts_with("static-creds/"))
    return Mount{Mount::Kind::static_role, std::string{mount}};
  return wrong_at(ErrorCode::bad_config, state, "nothing that the vault: source reads is at this path",
                  "It reads KV secrets, MOUNT/creds/ROLE and MOUNT/static-creds/ROLE");
}

}  // namespace sallyport::secrets::vault
