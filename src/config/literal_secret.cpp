// Looks at every value, known key or not: a password under a mistyped key is still a password.
#include "config/literal_secret.h"

#include "base/ascii.h"
#include "config/values.h"
#include "secrets/reference.h"

#include <algorithm>
#include <array>
#include <unordered_set>

namespace sallyport::config {
namespace {

constexpr std::string_view hint =
    "Keep it in a secret manager or a private file and write a reference: "
    "`auth: vault:database/creds/ROLE`, or `auth: file:/run/secrets/NAME`.";

/// Lower case, without - and _: "DB-Passwd" is "dbpasswd".
std::string squeezed(std::string_view key) {
  std::string out;
  for (const char c : key) {
    if (c == '-' || c == '_' || c == '.') continue;
    out += to_lower(c);
  }
  return out;
}

/// What stands for a password in a connection_url of Vault's.
constexpr std::string_view vault_template = "{{password}}";

/// `scheme://user:password@…`
bool url_holds_password(std::string_view value) {
  for (auto at = value.find("://"); at != std::string_view::npos; at = value.find("://", at + 3)) {
    const auto rest = value.substr(at + 3);
    const auto authority = rest.substr(0, rest.find_first_of("/?# \t"));
    const auto end = authority.rfind('@');
    if (end == std::string_view::npos) continue;
    const auto colon = authority.substr(0, end).find(':');
    const auto password =
        colon == std::string_view::npos ? std::string_view{} : authority.substr(colon + 1, end - colon - 1);
    if (!password.empty() && password != vault_template) return true;
  }
  return false;
}

/// `name = something` for a name that is a secret's, behind a separator or at the front.
bool pair_holds_password(std::string_view value) {
  for (auto equals = value.find('='); equals != std::string_view::npos;
       equals = value.find('=', equals + 1)) {
    auto left = value.substr(0, equals);
    while (left.ends_with(' ')) left.remove_suffix(1);
    const auto start = left.find_last_of(" \t;&?,");
    const auto name = start == std::string_view::npos ? left : left.substr(start + 1);
    const auto right = value.substr(equals + 1);
    const bool given = right.find_first_not_of(" \t") != std::string_view::npos;
    // Which of Azure's providers is asked: a word of a reference.
    const bool provider = name == "credential" && value.starts_with("azure-");
    const auto word = right.substr(0, right.find('&'));
    const bool flag = name == "allow_root_token" && (word == "true" || word == "false");
    if (given && is_secret_key(name) && !provider && !flag) return true;
  }
  return false;
}

/// Where admin.token names its file: the one key with a secret's name whose value is none.
const Entry* token_file_of(const Node& root) {
  const Entry* admin = root.find("admin");
  const Entry* token = admin == nullptr ? nullptr : admin->value->find("token");
  return token != nullptr && is_plain_absolute_path(token->value->text) ? token : nullptr;
}

/// Aliases bring the same node again and again; each is looked at once.
void look(const Node& node, const Entry* file, Problems& problems, std::unordered_set<const Node*>& seen) {
  if (!seen.insert(&node).second) return;
  if (node.type == Node::Type::scalar && holds_password(node.text)) {
    problems.add(node, "a password stands in this value (not shown)", std::string{hint});
  }
  for (const Node* item : node.items) look(*item, file, problems, seen);
  for (const Entry& entry : node.entries) {
    const bool literal =
        entry.value->type == Node::Type::scalar && !secrets::looks_like_reference(entry.value->text);
    if (literal && is_secret_key(entry.key) && !entry.value->wrong && &entry != file) {
      entry.value->wrong = true;
      problems.add(entry.at, in_backquotes(entry.key) + " may not stand in this file", std::string{hint});
      continue;
    }
    look(*entry.value, file, problems, seen);
  }
}

}  // namespace

bool is_secret_key(std::string_view key) {
  constexpr auto endings =
      std::to_array<std::string_view>({"password", "passwd", "passphrase", "pwd", "secret", "token", "apikey",
                                       "accesskey", "secretkey", "privatekey", "credential", "credentials"});
  const std::string name = squeezed(key);
  return name == "pass" ||
         std::ranges::any_of(endings, [&](std::string_view end) { return name.ends_with(end); });
}

bool holds_password(std::string_view value) {
  return url_holds_password(value) || pair_holds_password(value);
}

void refuse_literal_secrets(const Node& root, Problems& problems) {
  std::unordered_set<const Node*> seen;
  look(root, token_file_of(root), problems, seen);
}

}  // namespace sallyport::config
