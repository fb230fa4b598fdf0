// From the file's tree to what is wanted of Vault: the place, and connections. What the configuration (-c) knows fills
// what the file leaves open.
#include "config/vault_file.h"

#include "config/opening.h"
#include "config/reference_check.h"
#include "config/values.h"
#include "config/vault_roles.h"
#include "config/vault_target.h"
#include "secrets/reference.h"
#include "secrets/vault/engine/statements.h"
#include "secrets/vault/options.h"

#include <algorithm>
#include <array>

namespace sallyport::config {
namespace {

namespace engine = secrets::vault::engine;
using Parsed = boost::system::result<VaultFile, std::vector<Error>>;

constexpr std::size_t authorities_bytes_max = 65'536;

/// A key below `vault`, and the attribute of a `vault:` reference that says the same.
struct VaultAttribute {
  std::string_view key;
  std::string_view attribute;
  bool by_itself = false;  ///< needs no other to be right
};
constexpr auto vault_attributes = std::to_array<VaultAttribute>({{"address", "addr", true},
                                                                 {"namespace", "namespace", true},
                                                                 {"redirect_to", "redirect_to", true},
                                                                 {"insecure_reason", "insecure_reason", true},
                                                                 {"auth", "auth"},
                                                                 {"auth_mount", "mount"},
                                                                 {"token_file", "token_file"},
                                                                 {"role_id", "role_id"},
                                                                 {"role_id_file", "role_id_file"},
                                                                 {"secret_id_file", "secret_id_file"},
                                                                 {"secret_id_wrapped", "secret_id_wrapped"},
                                                                 {"role", "role"},
                                                                 {"jwt_file", "jwt_file"},
                                                                 {"client_cert", "client_cert"},
                                                                 {"client_key", "client_key"},
                                                                 {"username", "username"},
                                                                 {"password_file", "password_file"},
                                                                 {"resource", "resource"},
                                                                 {"client_id", "client_id"},
                                                                 {"region", "region"},
                                                                 {"profile", "profile"},
                                                                 {"iam_server_id", "iam_server_id"}});

class VaultReader {
 public:
  VaultReader(const Node& root, const Surroundings& around, const Config* config, Problems& problems)
      : root_(root), around_(around), config_(config), problems_(problems) {}

  VaultFile read() {
    read_vault();
    for (const Entry* entry : maps_below(root_, "connections")) read_connection(*entry);
    read_vault_roles(root_, config_, out_, problems_);
    if (config_ != nullptr) add_target_roles(*config_, out_);
    check_roles_of_targets();
    complete();
    return std::move(out_);
  }

 private:
  /// The source's own checks, of the reference that says the same.
  void read_vault() {
    static const Node none;
    const Node* node = good(root_, "vault");
    const Node& map = node == nullptr ? none : *node;
    secrets::Reference reference{"vault", text_of(map, "mount", "database"), {}, {}};
    while (reference.locator.ends_with('/')) reference.locator.pop_back();
    for (const auto& [key, attribute, by_itself] : vault_attributes) {
      const Node* value = good(map, key);
      if (value == nullptr) continue;
      auto& text = reference.attributes[std::string{attribute}] = std::string{strip_file_scheme(value->text)};
      // What is wrong of one alone is told where it stands.
      const secrets::Reference alone{"vault", "database", {}, {{std::string{attribute}, text}}};
      if (!by_itself) continue;
      if (auto checked = secrets::vault::parse_options(alone); !checked)
        problems_.add(*value, "`" + std::string{key} + "`: " + checked.error().what, checked.error().hint);
    }
    if (!secrets::vault::is_plain_path(reference.locator)) {
      problems_.add(*good(map, "mount"), "`mount` is no path of Vault", "Write `mount: database`.");
      return;
    }
    if (const auto checked = secrets::vault::parse_options(reference); !checked && problems_.empty())
      report_login(map, checked.error());
    if (reference.attributes.contains("insecure_reason"))
      problems_.warn(good(map, "insecure_reason")->at,
                     "Vault is asked over plain http. Remove it as soon as you can");
    out_.reference = secrets::to_string(reference);
    out_.wanted.mount = reference.locator;
  }

  /// At the key that the error is about, where it is one of ours.
  void report_login(const Node& map, const Error& error) {
    for (const auto& [key, attribute, by_itself] : vault_attributes) {
      const Node* value = good(map, key);
      if (value == nullptr || !error.where.ends_with(attribute)) continue;
      problems_.add(*value, "`" + std::string{key} + "`: " + error.what, error.hint);
      return;
    }
    problems_.add(map.at, "`vault`: " + error.what, error.hint);
  }

  void read_connection(const Entry& entry) {
    const Node& node = *entry.value;
    engine::Connection out;
    out.name = entry.key;
    const bool mysql = text_of(node, "engine", "postgresql") != "postgresql";
    out.database = mysql ? engine::Database::mysql : engine::Database::postgresql;
    out.plugin = text_of(node, "plugin", mysql ? "mysql-database-plugin" : "postgresql-database-plugin");
    out.username = text_of(node, "username");
    out.auth = text_of(node, "auth");
    out.allowed_roles = texts_of(node, "allowed_roles");
    out.verify = text_of(node, "verify") != "false";
    out.password_authentication = text_of(node, "password_authentication", mysql ? "" : "scram-sha-256");
    out.username_template = text_of(node, "username_template");
    out.open_connections_max = parse_integer(text_of(node, "max_open_connections"));
    out.idle_connections_max = parse_integer(text_of(node, "max_idle_connections"));
    out.connection_seconds_max = seconds_of(node, "max_connection_lifetime");
    check_auth(node);
    read_url(entry, out);
    read_tls_ca(node, out);
    if (mysql && good(node, "password_authentication") != nullptr)
      problems_.add(*good(node, "password_authentication"), "`password_authentication` is for PostgreSQL",
                    "Remove it.");
    out_.wanted.connections.emplace(out.name, std::move(out));
  }

  void check_auth(const Node& node) {
    const Node* auth = good(node, "auth");
    if (auth == nullptr) return;
    if (is_dynamic_credential(auth->text)) {
      problems_.add(*auth, "`auth` is a credential that ends with its lease, and Vault keeps this one",
                    "Name a stored secret: `file:/run/secrets/NAME`, `vault:secret/PATH#password`.");
      return;
    }
    const auto reference = secrets::parse_reference(auth->text);
    if (!around_.check_file || !reference || reference->scheme != "exec") return;
    check_named_file(reference->locator.substr(0, reference->locator.find(' ')), *auth, around_, problems_);
  }

  void read_tls_ca(const Node& node, engine::Connection& out) {
    const Node* file = good(node, "tls_ca");
    if (file == nullptr) return;
    if (out.database != engine::Database::mysql) {
      problems_.add(*file, "`tls_ca` is for MySQL",
                    "Write `sslrootcert=/path` into `connection_url`: a file on Vault's machine.");
      return;
    }
    if (!around_.read_file) return;
    auto text = around_.read_file(std::string{strip_file_scheme(file->text)}, authorities_bytes_max);
    if (text)
      out.tls_ca = std::move(*text);
    else
      problems_.add(*file, "`tls_ca`: " + text.error().what, text.error().hint);
  }

  void read_url(const Entry& entry, engine::Connection& out) {
    const Node* node = good(*entry.value, "connection_url");
    if (node != nullptr) {
      auto url = templated_url(node->text, out.database);
      if (url)
        out.connection_url = std::move(*url);
      else
        problems_.add(*node, url.error().what, url.error().hint);
      return;
    }
    if (entry.value->find("connection_url") != nullptr) return;  // reported
    const auto target = config_ == nullptr ? std::map<std::string, Target>::const_iterator{}
                                           : config_->targets.find(entry.key);
    if (config_ == nullptr || target == config_->targets.end()) {
      problems_.add(entry.at, "`connection_url` is missing in `connections." + entry.key + "`",
                    config_ == nullptr ? "Add it, or name the configuration that has this target: -c FILE."
                                       : "Add it: the configuration has no target of this name.");
      return;
    }
    auto url = url_of_target(target->second);
    if (url)
      out.connection_url = std::move(*url);
    else
      problems_.add(entry.at, url.error().what, url.error().hint);
  }

  void check_roles_of_targets() {
    const Entry* connections = root_.find("connections");
    for (const auto& text : out_.other_roles)
      problems_.warn(connections == nullptr ? Position{} : connections->at, text);
  }

  void complete() {
    auto& wanted = out_.wanted;
    if (!problems_.empty()) return;
    for (auto& [name, role] : wanted.roles)
      engine::complete_statements(role, wanted.connections.at(role.connection).database);
    for (auto& [name, connection] : wanted.connections) {
      if (!connection.allowed_roles.empty()) continue;
      for (const auto& [role_name, role] : wanted.roles)
        if (role.connection == name) connection.allowed_roles.push_back(role_name);
      for (const auto& [role_name, role] : wanted.static_roles)
        if (role.connection == name) connection.allowed_roles.push_back(role_name);
    }
  }

  const Node& root_;
  const Surroundings& around_;
  const Config* config_;
  Problems& problems_;
  VaultFile out_;
};

}  // namespace

Parsed parse_vault_file(std::string_view yaml, std::string_view file, const Surroundings& around,
                        const Config* config) {
  Problems problems(file);
  const Tree tree = open_tree(yaml, problems, vault_keys(),
                              "Write `version: 1`, `connections:` and `roles:`; see docs/vault-setup.md.");
  if (tree.root == nullptr) return problems.take_errors();
  auto out = VaultReader{*tree.root, around, config, problems}.read();
  if (!problems.empty()) return problems.take_errors();
  out.warnings = problems.take_warnings();
  return out;
}

Parsed load_vault_file(const std::string& file, WallTime now, const Config* config) {
  auto content = content_of(file, nullptr);
  if (!content) return std::vector<Error>{content.error()};
  return parse_vault_file(*content, file, surroundings(now, nullptr), config);
}

}  // namespace sallyport::config
