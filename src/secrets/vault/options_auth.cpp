// The attributes that say who we are at Vault: one table says which of them each method takes and which it needs.
#include "secrets/attributes.h"
#include "secrets/aws/endpoints.h"
#include "secrets/vault/options.h"

#include <algorithm>
#include <vector>

namespace sallyport::secrets::vault {

namespace {

using Auth = Options::Auth;

struct Method {
  std::string_view name;
  Auth auth;
  std::vector<std::string_view> takes;
  std::vector<std::string_view> needs;
};

const std::vector<Method>& methods() {
  static const std::vector<Method> table = {
      {"token", Auth::token, {"token_file"}, {}},
      {"approle",
       Auth::approle,
       {"role_id", "role_id_file", "secret_id_file", "secret_id_wrapped", "role", "mount"},
       {}},
      {"kubernetes", Auth::kubernetes, {"role", "jwt_file", "mount"}, {"role"}},
      {"jwt", Auth::jwt, {"role", "jwt_file", "mount"}, {"jwt_file"}},
      {"cert", Auth::cert, {"role", "client_cert", "client_key", "mount"}, {"client_cert", "client_key"}},
      {"userpass", Auth::userpass, {"username", "password_file", "mount"}, {"username", "password_file"}},
      {"gcp", Auth::gcp, {"role", "mount"}, {"role"}},
      {"azure", Auth::azure, {"role", "resource", "client_id", "mount"}, {"role"}},
      {"aws", Auth::aws, {"role", "region", "profile", "iam_server_id", "mount"}, {}},
  };
  return table;
}

std::string list_of_methods() {
  std::string out;
  for (const auto& method : methods()) out += (out.empty() ? "" : ", ") + std::string{method.name};
  return out;
}

const Method* find_method(std::string_view name) {
  const auto& all = methods();
  const auto found = std::ranges::find(all, name, &Method::name);
  return found == all.end() ? nullptr : &*found;
}

bool holds(const std::vector<std::string_view>& list, std::string_view name) {
  return std::ranges::find(list, name) != list.end();
}

/// True of what some method takes; mount= goes with any.
bool belongs_to_a_method(std::string_view name) {
  return name != "mount" &&
         std::ranges::any_of(methods(), [&](const Method& method) { return holds(method.takes, name); });
}

Result<void> read_path(const Reference& reference, std::string_view name, std::string& out) {
  out = attribute_of(reference, name);
  const auto inside = out + "/";
  if (!out.empty() && (out.front() != '/' || inside.find("/../") != std::string::npos)) {
    return wrong_attribute(name, "no absolute path, or one with ..", "Write an absolute path");
  }
  return {};
}

/// Of a method that nobody named: AppRole's own attributes name it.
Result<const Method*> method_of(const Reference& reference) {
  const auto auth = attribute_of(reference, "auth");
  if (!auth.empty()) {
    const auto* method = find_method(auth);
    if (method == nullptr)
      return wrong_attribute("auth", "no method that is known here", "Known are " + list_of_methods());
    return method;
  }
  for (const auto* name : {"role_id", "role_id_file", "secret_id_file", "secret_id_wrapped"}) {
    if (reference.attributes.contains(name)) return find_method("approle");
  }
  if (reference.attributes.contains("token_file")) return find_method("token");
  for (const auto& [name, value] : reference.attributes) {
    if (!belongs_to_a_method(name)) continue;
    return wrong_attribute(name, "no auth= beside it, so that it says nothing",
                           "Add auth=…: " + list_of_methods());
  }
  return static_cast<const Method*>(nullptr);
}

Result<void> check_method(const Reference& reference, const Method& method) {
  for (const auto& [name, value] : reference.attributes) {
    if (!belongs_to_a_method(name) || holds(method.takes, name)) continue;
    return wrong_attribute(name, "an attribute that auth=" + std::string{method.name} + " has not",
                           "Remove one of the two");
  }
  for (const auto name : method.needs) {
    if (!attribute_of(reference, name).empty()) continue;
    return wrong_attribute(name, "not there, and auth=" + std::string{method.name} + " needs it",
                           "Add " + std::string{name} + "=…");
  }
  return {};
}

Result<void> read_names(const Reference& reference, Options& options) {
  options.role_id = attribute_of(reference, "role_id");
  options.role = attribute_of(reference, "role");
  options.username = attribute_of(reference, "username");
  options.resource = attribute_of(reference, "resource");
  options.client_id = attribute_of(reference, "client_id");
  options.profile = attribute_of(reference, "profile");
  options.region = attribute_of(reference, "region");
  if (!options.region.empty()) {
    if (auto checked = aws::check_region(options.region, "region="); !checked) return checked;
  }
  options.iam_server_id = attribute_of(reference, "iam_server_id");
  options.auth_mount = attribute_of(reference, "mount");
  const auto wrong_name = [](const std::string& text) { return !text.empty() && !is_plain_path(text); };
  if (wrong_name(options.auth_mount)) {
    return wrong_attribute("mount", "no name of a mount", "Write mount=" + std::string{options.method()});
  }
  const bool slash = (options.username + options.role).find('/') != std::string::npos;
  if (wrong_name(options.role) || slash)
    return wrong_attribute("role", "no name of a role", "Write role=app");
  if (wrong_name(options.username))
    return wrong_attribute("username", "no name of a user", "Write username=app");
  auto wrapped = flag_of(reference, "secret_id_wrapped");
  if (!wrapped) return std::move(wrapped).error();
  options.secret_id_wrapped = *wrapped;
  return {};
}

}  // namespace

Result<void> read_auth(const Reference& reference, Options& options) {
  auto method = method_of(reference);
  if (!method) return std::move(method).error();
  if (*method != nullptr) {
    if (auto checked = check_method(reference, **method); !checked) return checked;
    // A token file alone leaves the choice as it is: only where the token is has been said.
    const bool chosen = (*method)->auth != Auth::token || reference.attributes.contains("auth");
    if (chosen) options.auth = (*method)->auth;
  }
  for (const auto& [name, out] :
       {std::pair{"token_file", &options.token_file}, std::pair{"role_id_file", &options.role_id_file},
        std::pair{"secret_id_file", &options.secret_id_file}, std::pair{"jwt_file", &options.jwt_file},
        std::pair{"client_cert", &options.client_certificate}, std::pair{"client_key", &options.client_key},
        std::pair{"password_file", &options.password_file}}) {
    if (auto read = read_path(reference, name, *out); !read) return read;
  }
  return read_names(reference, options);
}

std::string_view Options::method() const {
  for (const auto& one : methods()) {
    if (one.auth == auth && auth != Auth::token) return one.name;
  }
  return "approle";
}

}  // namespace sallyport::secrets::vault
