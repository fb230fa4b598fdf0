// What a `vault:` reference says, checked without IO.
//
// Attributes, besides the target's:
//   version=N                 KV v2: that version, not the latest
//   auth=METHOD               default: whichever the environment has (setup.h gives the order)
//     token       token_file=/path
//     approle     role_id=…  role_id_file=/path  secret_id_file=/path; secret_id_wrapped=true: what is there is a wrapping
//                 token, and role= the role that it must be of
//     kubernetes  role=  jwt_file=/path (default: the pod's own token)
//     jwt         jwt_file=/path  role= (default: the mount's)
//     cert        client_cert=/path  client_key=/path  role= (default: any that fits)
//     userpass    username=  password_file=/path
//     gcp         role=
//     azure       role=  resource=  client_id=
//     aws         role= (default: the name of our role or user)  region=  profile=  iam_server_id=
//   mount=NAME                where the method is enabled; default: its own name
//   namespace=…               instead of VAULT_NAMESPACE
//   addr=https://…            instead of VAULT_ADDR; not from the environment, which may not choose where a token
//                             goes (threat 12)
//   redirect_to=https://a:8200,https://b:8200     other nodes that a redirect may lead to
//   insecure_reason=…         plain http to a literal loopback address, and why
//   allow_root_token=true     or the flag --allow-root-token (threat 20)
//   shape=password            as for all sources
#pragma once

#include "secrets/address.h"
#include "secrets/attributes.h"
#include "secrets/shape.h"
#include "secrets/source.h"

#include <optional>
#include <string>
#include <vector>

namespace sallyport::secrets::vault {

inline constexpr std::size_t redirects_max = 8;

struct Options {
  enum class Auth { automatic, token, approle, kubernetes, jwt, cert, userpass, gcp, azure, aws };

  std::string path;  ///< "database/creds/app-role"
  ShapeOptions shape;
  std::optional<unsigned> version;
  Auth auth = Auth::automatic;
  std::string token_file;
  std::string role_id;
  std::string role_id_file;
  std::string secret_id_file;
  bool secret_id_wrapped = false;
  std::string role;
  std::string jwt_file;
  std::string client_certificate;
  std::string client_key;
  std::string username;
  std::string password_file;
  std::string resource;
  std::string client_id;
  std::string region;
  std::string profile;
  std::string iam_server_id;
  std::string auth_mount;  ///< empty: the method's name
  std::optional<std::string> name_space;
  std::optional<Address> address;
  std::vector<Address> redirect_to;
  std::string insecure_reason;
  bool allow_root_token = false;

  /// The method of a login: "approle" where none is named.
  [[nodiscard]] std::string_view method() const;
  [[nodiscard]] std::string mount_name() const {
    return auth_mount.empty() ? std::string{method()} : auth_mount;
  }
};

/// The table that parse_options() checks against.
Attributes known_attributes();

/// Errors  bad_config: names the attribute and what it may be.
Result<Options> parse_options(const Reference& reference);

/// The part of it that says who we are (options_auth.cpp).
Result<void> read_auth(const Reference& reference, Options& options);

/// Letters, digits and what names of mounts and namespaces are made of; no part empty, `.` or `..`.
bool is_plain_path(std::string_view text);

}  // namespace sallyport::secrets::vault
