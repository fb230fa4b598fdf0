// What a `vault:` reference says, checked without IO.
//
// Attributes, besides the target's:
//   version=N                 KV v2: that version, not the latest
//   auth=token|approle        default: whichever the environment has (setup.h gives the order)
//   token_file=/path          the token
//   role_id=…  role_id_file=/path  secret_id_file=/path  mount=approle      AppRole
//   namespace=…               instead of VAULT_NAMESPACE
//   addr=https://…            instead of VAULT_ADDR; not from the environment, which may not choose where a token
//                             goes (threat 12)
//   redirect_to=https://a:8200,https://b:8200     other nodes that a redirect may lead to
//   insecure_reason=…         plain http to a literal loopback address, and why
//   allow_root_token=true     or the flag --allow-root-token (threat 20)
//   shape=password            as for all sources
#pragma once

#include "secrets/shape.h"
#include "secrets/source.h"
#include "secrets/vault/address.h"

#include <optional>
#include <string>
#include <vector>

namespace sallyport::secrets::vault {

inline constexpr std::size_t redirects_max = 8;

struct Options {
  enum class Auth { automatic, token, approle };

  std::string path;  ///< "database/creds/app-role"
  ShapeOptions shape;
  std::optional<unsigned> version;
  Auth auth = Auth::automatic;
  std::string token_file;
  std::string role_id;
  std::string role_id_file;
  std::string secret_id_file;
  std::string auth_mount = "approle";
  std::optional<std::string> name_space;
  std::optional<Address> address;
  std::vector<Address> redirect_to;
  std::string insecure_reason;
  bool allow_root_token = false;
};

/// Errors  bad_config: names the attribute and what it may be.
Result<Options> parse_options(const Reference& reference);

/// Letters, digits and what names of mounts and namespaces are made of; no part empty, `.` or `..`.
bool is_plain_path(std::string_view text);

}  // namespace sallyport::secrets::vault
