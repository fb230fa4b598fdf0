#include "secrets/gcp/account.h"

#include "base/limits.h"
#include "secrets/aws/settings.h"
#include "secrets/gcp/metadata.h"

#include <array>
#include <utility>

namespace sallyport::secrets::gcp {

namespace {

constexpr std::string_view explicit_file = "GOOGLE_APPLICATION_CREDENTIALS";

constexpr auto kinds = std::to_array<std::pair<std::string_view, AccountKind>>({
    {"service_account", AccountKind::service_account},
    {"authorized_user", AccountKind::authorized_user},
    {"external_account", AccountKind::external_account},
    {"external_account_authorized_user", AccountKind::external_account_authorized_user},
    {"impersonated_service_account", AccountKind::impersonated_service_account},
});

Result<Json> parse_file(const Context& context, const Secret& content, const std::string& path) {
  auto json = Json::parse(content.reveal(), path);
  if (!json) {
    const bool large = json.error().code == ErrorCode::limit_exceeded;
    return fault(context, large ? ErrorCode::limit_exceeded : ErrorCode::bad_config,
                 "the credentials file " + path + " is no JSON", "Write it again with gcloud");
  }
  if (kind_of(json->root())) return json;
  const auto type = shown_code(json->root()["type"].text());
  if (type == "gdch_service_account") {
    return fault(context, ErrorCode::bad_config,
                 "the credentials file " + path +
                     " is of Google Distributed Cloud (gdch_service_account), "
                     "which is not supported",
                 "Use a service account of Google Cloud");
  }
  std::string known;
  for (const auto& [name, kind] : kinds) known += (known.empty() ? "" : ", ") + std::string{name};
  return fault(context, ErrorCode::bad_config,
               "the credentials file " + path + " has " +
                   (type.empty() ? "no type that is known" : "the type " + type + ", which is not known"),
               "Its member \"type\" is one of " + known);
}

/// Whoever writes it says who gets our tokens and what is run, so it is ours alone. A configuration without a secret may
/// be read by everybody; a key may not. What it is, only the file says.
Result<Json> read_file(Inquiry& ask, const Context& context, const std::string& path,
                       const std::string& named_by) {
  auto content = read_credentials_file(ask, context, path, FileTrust::only_we_write, named_by);
  if (!content) return std::move(content).error();
  auto json = parse_file(context, **content, path);
  if (!json) return json;
  const bool secret =
      kind_of(json->root()) != AccountKind::external_account || json->root()["client_secret"].present();
  if (!secret || context.allow_world_readable) return json;
  content = read_credentials_file(ask, context, path, FileTrust::is_private, named_by);
  if (!content) return std::move(content).error();
  return parse_file(context, **content, path);
}

Result<bool> from_gcloud(Inquiry& ask, const Context& context, Account& out, std::vector<Tried>& tried) {
  auto directory = gcloud_directory(ask);
  if (!directory) return std::move(directory).error();
  if (directory->empty()) {
    tried.push_back({"gcloud", "HOME and CLOUDSDK_CONFIG are not set"});
    return false;
  }
  out.path = *directory + "/application_default_credentials.json";
  auto json = read_file(ask, context, out.path, "gcloud");
  if (!json && json.error().code == ErrorCode::not_found) {
    tried.push_back({"gcloud", out.path + " is not there"});
    out.path.clear();
    return false;
  }
  if (!json) return std::move(json).error();
  out.file.emplace(std::move(*json));
  out.provider = "gcloud";
  return true;
}

}  // namespace

std::optional<AccountKind> kind_of(JsonView file) {
  const auto type = file["type"].text();
  for (const auto& [name, kind] : kinds) {
    if (type == name) return kind;
  }
  return std::nullopt;
}

Result<std::string> home_of(Inquiry& ask) {
  auto home = ask.text("HOME");
  while (home && home->size() > 1 && home->back() == '/') home->pop_back();
  return home;
}

Result<std::string> gcloud_directory(Inquiry& ask) {
  auto directory = ask.text("CLOUDSDK_CONFIG");
  if (!directory) return directory;
  if (directory->empty()) {
    auto home = home_of(ask);
    if (!home || home->empty()) return home;
    return *home + "/.config/gcloud";
  }
  if (directory->front() != '/') {
    return Error{ErrorCode::bad_config,       Hop::environment,
                 "CLOUDSDK_CONFIG",           "is no absolute path",
                 "Write it from the root on", {}};
  }
  return directory;
}

Result<const Secret*> read_credentials_file(Inquiry& ask, const Context& context, const std::string& path,
                                            FileTrust trust, const std::string& named_by) {
  if (path.empty() || path.front() != '/') {
    return fault(context, ErrorCode::bad_config, named_by + " names no absolute path",
                 "Write it from the root on");
  }
  auto content = ask.file({path, limits::secret_bytes_max, trust});
  if (!content) {
    auto error = moved(context, std::move(content).error(), named_by);
    if (error.what.find(path) == std::string::npos) error.what += " (" + path + ")";
    if (trust == FileTrust::is_private && error.hint.empty()) {
      error.hint =
          "chmod o-rwx the file; or allow_world_readable=true where everybody on the machine may have it";
    }
    return error;
  }
  if ((*content)->size() > limits::secret_bytes_max) {
    return fault(context, ErrorCode::limit_exceeded, named_by + ": " + path + " is longer than 65536 bytes");
  }
  return content;
}

Result<Account> find_account(Inquiry& ask, const Context& context, std::vector<Tried>& tried) {
  Account out;
  auto path = ask.text(explicit_file);
  if (!path) return std::move(path).error();
  if (!path->empty()) {
    auto json = read_file(ask, context, *path, std::string{explicit_file});
    if (!json) return std::move(json).error();
    out.file.emplace(std::move(*json));
    out.path = *path;
    out.provider = explicit_file;
    return out;
  }
  tried.push_back({std::string{explicit_file}, "is not set"});
  auto found = from_gcloud(ask, context, out, tried);
  if (!found) return std::move(found).error();
  if (*found) return out;
  auto server = find_metadata_server(ask, context);
  if (!server) return std::move(server).error();
  if (server->root.empty()) {
    tried.push_back({"metadata server", server->why_not});
    return fault(context, ErrorCode::bad_config,
                 "there is no identity of Google Cloud here. Tried: " + list_of(tried), no_identity_fix);
  }
  out.metadata_root = server->root;
  out.provider = "metadata server";
  return out;
}

const std::vector<std::string>& identity_variables() {
  static const auto names = [] {
    std::vector<std::string> all{"GOOGLE_APPLICATION_CREDENTIALS"};
    const auto& of_aws = aws::identity_variables();  // an external_account may be of AWS
    all.insert(all.end(), of_aws.begin(), of_aws.end());
    return all;
  }();
  return names;
}

const std::vector<std::string>& identity_files() {
  static const std::vector<std::string> names{"$GOOGLE_APPLICATION_CREDENTIALS",
                                              "$CLOUDSDK_CONFIG/application_default_credentials.json",
                                              "~/.config/gcloud/application_default_credentials.json"};
  return names;
}

}  // namespace sallyport::secrets::gcp
