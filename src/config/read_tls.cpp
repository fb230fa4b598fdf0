// targets.NAME.tls
#include "config/reader.h"
#include "config/values.h"

namespace sallyport::config {
namespace {

class TlsReader {
 public:
  TlsReader(const Node& node, const Surroundings& around, Problems& problems)
      : node_(node), around_(around), problems_(problems) {}

  TlsPolicy read() {
    if (const auto mode = parse_tls_mode(text_of(node_, "mode", "verify-full"))) policy_.mode = *mode;
    for (const Node* root : scalars_of(node_, "roots")) read_root(*root);
    policy_.server_name = text_of(node_, "server_name");
    policy_.min_version = text_of(node_, "min_version", policy_.min_version);
    policy_.crl_file = file_of("crl");
    policy_.client_certificate_file = file_of("certificate");
    policy_.client_key_file = file_of("key");
    policy_.weaker_reason = text_of(node_, "reason");
    policy_.weaker_until = text_of(node_, "until");
    check_server_name();
    if (!has_wrong_value() && check_policy()) warn();
    return std::move(policy_);
  }

 private:
  void read_root(const Node& root) {
    const std::string path{strip_file_scheme(root.text)};
    if (path != "system" && !is_plain_absolute_path(path)) {
      problems_.add(root, "`roots` holds " + in_backquotes(path),
                    "Write `system`, or the absolute path of a PEM file.");
      return;
    }
    if (path != "system") check_named_file(path, root, around_, problems_);
    policy_.roots.push_back(path);
  }

  std::string file_of(std::string_view key) {
    std::string path{strip_file_scheme(text_of(node_, key))};
    if (!path.empty()) check_named_file(path, *good(node_, key), around_, problems_);
    return path;
  }

  void check_server_name() {
    const Node* name = good(node_, "server_name");
    if (name == nullptr || is_host_name(name->text) || is_ip_literal(name->text)) return;
    problems_.add(*name, in_backquotes(name->text) + " is no host name",
                  "Write the name that the certificate holds.");
  }

  /// What was said of a value is not said again of their combination.
  [[nodiscard]] bool has_wrong_value() const {
    for (const auto key : {"mode", "reason", "until", "certificate", "key", "min_version"}) {
      if (const Entry* entry = node_.find(key); entry != nullptr && entry->value->wrong) return true;
    }
    return false;
  }

  bool check_policy() {
    auto checked = check(policy_, around_.now);
    if (checked) return true;
    const std::string key = key_of(checked.error().where);
    problems_.add(position_of(key), "tls." + key + ": " + checked.error().what, checked.error().hint);
    return false;
  }

  void warn() {
    if (policy_.mode != TlsMode::verify_full) {
      problems_.warn(position_of("mode"), "tls mode " + std::string{name_of(policy_.mode)} + " until " +
                                              policy_.weaker_until + " " +
                                              std::string{weakness(policy_.mode)} +
                                              " (reason: " + in_backquotes(policy_.weaker_reason) + ")");
      return;
    }
    for (const auto key : {"reason", "until"}) {
      const Entry* entry = node_.find(key);
      if (entry == nullptr) continue;
      problems_.warn(entry->at,
                     "tls." + std::string{key} + " has no effect with mode verify-full. Remove it");
    }
  }

  /// policy/tls_policy.h says "tls.client_key" where the file says `key`.
  static std::string key_of(std::string_view where) {
    for (const std::string_view prefix : {"tls.", "client_"}) {
      if (where.starts_with(prefix)) where.remove_prefix(prefix.size());
    }
    return std::string{where};
  }

  /// The value of this key, else that of `mode`, else the map's.
  [[nodiscard]] Position position_of(std::string_view key) const {
    const Entry* entry = node_.find(key);
    if (entry == nullptr) entry = node_.find("mode");
    return entry == nullptr ? node_.at : entry->value->at;
  }

  const Node& node_;
  const Surroundings& around_;
  Problems& problems_;
  TlsPolicy policy_;
};

}  // namespace

TlsPolicy read_tls(const Node& node, const Surroundings& around, Problems& problems) {
  return TlsReader{node, around, problems}.read();
}

void check_named_file(const std::string& path, const Node& node, const Surroundings& around,
                      Problems& problems) {
  if (!around.check_file || !path.starts_with('/')) return;
  if (auto checked = around.check_file(path); !checked) {
    problems.add(node, checked.error().what, checked.error().hint);
  }
}

}  // namespace sallyport::config
