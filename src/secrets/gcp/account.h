// The application default credentials: which file, or the metadata server, says who we are.
//
// The order is Google's: GOOGLE_APPLICATION_CREDENTIALS, then gcloud's own file, then the metadata server. What is
// configured and cannot be used ends the search: going on would ask as somebody else.
#pragma once

#include "secrets/gcp/context.h"
#include "secrets/identity.h"
#include "secrets/json.h"

#include <optional>
#include <string>
#include <vector>

namespace sallyport::secrets::gcp {

inline constexpr std::string_view default_universe = "googleapis.com";

inline constexpr std::string_view cloud_platform_scope = "https://www.googleapis.com/auth/cloud-platform";
inline constexpr std::string_view sql_login_scope = "https://www.googleapis.com/auth/sqlservice.login";
inline constexpr std::string_view sql_admin_scope = "https://www.googleapis.com/auth/sqlservice.admin";
inline constexpr std::string_view alloydb_login_scope = "https://www.googleapis.com/auth/alloydb.login";

/// Credentials file types, by their member "type".
enum class AccountKind {
  service_account,
  authorized_user,
  external_account,
  external_account_authorized_user,
  impersonated_service_account,
};

struct Account {
  std::optional<Json> file;  ///< none: the metadata server's
  std::string path;
  std::string provider;       ///< "GOOGLE_APPLICATION_CREDENTIALS", "gcloud", "metadata server"
  std::string metadata_root;  ///< "http://169.254.169.254"
};

/// Errors  bad_config: nobody is configured (the text lists what was tried), or a file is wrong; `where` is the
///         context's. Its hint says what to do.
///         `tried` gets those that gave nothing, in either case.
Result<Account> find_account(Inquiry& ask, const Context& context, std::vector<Tried>& tried);

/// What find_account() and the tokens consume.
const std::vector<std::string>& identity_variables();
const std::vector<std::string>& identity_files();

/// What to do when nobody is configured.
inline constexpr const char* no_identity_fix =
    "Run gcloud auth application-default login, or set GOOGLE_APPLICATION_CREDENTIALS to a credentials file, "
    "or run "
    "on a machine of Google Cloud with a service account";

/// Absent when the file's "type" is none of ours.
std::optional<AccountKind> kind_of(JsonView file);

/// Reads a file of at most 64 KiB.
/// Errors  those of the driver, moved; limit_exceeded; not_found.
Result<const Secret*> read_credentials_file(Inquiry& ask, const Context& context, const std::string& path,
                                            FileTrust trust, const std::string& named_by);

/// $HOME without a last slash; empty when unset.
Result<std::string> home_of(Inquiry& ask);

/// CLOUDSDK_CONFIG, or ~/.config/gcloud; empty when neither is known.
Result<std::string> gcloud_directory(Inquiry& ask);

}  // namespace sallyport::secrets::gcp
