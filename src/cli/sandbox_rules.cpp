#include "cli/sandbox_rules.h"

#include "secrets/reference.h"

#include <algorithm>

namespace sallyport::cli {

namespace {

using net::FileRule;
using net::FileUse;

/// Of the C library, OpenSSL, curl and the kernel: names, certificates, time zones, modules that are loaded late, who a
/// peer is. Nothing of it is a secret to our account that its mode does not guard.
constexpr const char* system_directories[] = {
    "/etc",
    "/usr",
    "/lib",
    "/lib64",
    "/nix/store",
    "/proc",
    "/sys/devices/system/cpu",
    // Where /etc/resolv.conf may come to lead, and the accounts that systemd makes up.
    "/run/systemd/resolve",
    "/run/resolvconf",
    "/run/NetworkManager",
    "/run/systemd/userdb",
    "/dev/urandom",
    "/dev/random",
};

/// What opens /etc's files.
constexpr const char* system_files[] = {"/etc/resolv.conf", "/etc/hosts", "/etc/nsswitch.conf",
                                        "/etc/localtime"};

/// `held` gives all that `wanted` asks for.
bool includes(FileUse held, FileUse wanted) {
  if (held == wanted || wanted == FileUse::read) return true;
  return held == FileUse::keep && wanted == FileUse::read_write;
}

bool is_below(const std::string& path, const std::string& directory) {
  return path == directory ||
         (path.size() > directory.size() && path.starts_with(directory) && path[directory.size()] == '/');
}

bool covers(const FileRule& held, const FileRule& wanted) {
  return is_below(wanted.path, held.path) && includes(held.use, wanted.use);
}

std::string parent_of(const std::string& path) { return path.substr(0, path.rfind('/')); }

class Collector {
 public:
  explicit Collector(const SandboxSurroundings& around) : around_(around) {}

  void directory(const std::string& path, FileUse use) {
    if (path.size() < 2 || path.front() != '/') return;
    const auto real = around_.real_path(path);
    add(real.empty() ? path : real, use);
  }

  /// Read, with whatever stands beside it and takes its place.
  void file(const std::string& path) {
    if (path.empty() || path.front() != '/') return;
    beside(path);
    if (const auto real = around_.real_path(path); !real.empty()) beside(real);
  }

  [[nodiscard]] std::vector<FileRule> rules() const {
    std::vector<FileRule> kept;
    for (const auto& rule : all_) {
      const bool held = std::any_of(all_.begin(), all_.end(), [&](const FileRule& other) {
        return !(other == rule) && covers(other, rule) && !(other.path == rule.path && covers(rule, other));
      });
      if (!held && std::find(kept.begin(), kept.end(), rule) == kept.end()) kept.push_back(rule);
    }
    std::sort(kept.begin(), kept.end(), [](const auto& a, const auto& b) {
      return std::pair{a.path, a.use} < std::pair{b.path, b.use};
    });
    return kept;
  }

 private:
  /// A file in the root directory stands for itself: its directory is everything.
  void beside(const std::string& path) {
    const auto parent = parent_of(path);
    if (parent.empty()) {
      add(path, FileUse::read);
    } else {
      directory(parent, FileUse::read);
    }
  }

  void add(std::string path, FileUse use) { all_.push_back({std::move(path), use}); }

  const SandboxSurroundings& around_;
  std::vector<FileRule> all_;
};

/// "~/x" and "$NAME/x", as Authority writes them. Empty: the variable is not set.
std::string path_of(const std::string& file, const SandboxSurroundings& around) {
  if (file.starts_with("~/")) return around.home.empty() ? std::string{} : around.home + file.substr(1);
  if (!file.starts_with('$')) return file;
  const auto end = std::min(file.find('/'), file.size());
  const auto value = around.variable(file.substr(1, end - 1));
  return value.empty() ? std::string{} : value + file.substr(end);
}

void add_source(Collector& collect, const std::string& auth, const secrets::Registry& sources,
                const SandboxSurroundings& around) {
  const auto reference = secrets::parse_reference(auth);
  const auto* source = reference ? sources.find(reference->scheme) : nullptr;
  if (source == nullptr) return;
  const auto authority = source->authority_for(*reference);
  for (const auto& file : authority.public_files) collect.file(path_of(file, around));
  for (const auto& file : authority.files) {
    // A home holds more than a token: it is readable only for a token that is there.
    const auto path = path_of(file, around);
    if (!file.starts_with("~/") || !around.real_path(path).empty()) collect.file(path);
  }
}

void add_target(Collector& collect, const Target& target) {
  const auto& tls = target.tls;
  for (const auto& root : tls.roots) collect.file(root);  // "system" is no path
  for (const auto& file : {tls.crl_file, tls.client_certificate_file, tls.client_key_file})
    collect.file(file);
}

void add_route(Collector& collect, const Route& route) {
  if (const auto* local = std::get_if<UnixListen>(&route.listen))
    collect.directory(local->directory, FileUse::sockets);
  for (const auto& rule : route.allow) {
    collect.file(rule.verifier);
    collect.file(rule.executable);
  }
  if (!route.tls) return;
  const auto& tls = *route.tls;
  for (const auto& file : {tls.certificate_file, tls.key_file, tls.client_ca_file, tls.client_crl_file})
    collect.file(file);
}

void add_admin(Collector& collect, const config::Admin& admin) {
  if (!admin.socket.empty()) collect.directory(parent_of(admin.socket), FileUse::sockets);
  if (const auto* path = std::get_if<std::string>(&admin.listen))
    collect.directory(parent_of(*path), FileUse::sockets);
  collect.file(admin.token_file);
}

}  // namespace

std::vector<std::string> file_variables(const secrets::Registry& sources) {
  std::vector<std::string> names{"CREDENTIALS_DIRECTORY"};  // `systemd:` names a file below it, by reference
  const auto take = [&](const std::vector<std::string>& files) {
    for (const auto& file : files) {
      if (file.starts_with('$')) names.push_back(file.substr(1, file.find('/') - 1));
    }
  };
  for (const auto* source : sources.all()) {
    const auto authority = source->authority();
    take(authority.files);
    take(authority.public_files);
  }
  std::sort(names.begin(), names.end());
  names.erase(std::unique(names.begin(), names.end()), names.end());
  return names;
}

std::vector<FileRule> sandbox_rules(const config::Config& config, const secrets::Registry& sources,
                                    const SandboxSurroundings& around) {
  Collector collect{around};
  for (const auto* path : system_directories) collect.directory(path, FileUse::read);
  for (const auto* path : system_files) collect.file(path);
  for (const auto& path : around.library_files) collect.file(path);
  collect.directory("/dev/null", FileUse::read_write);
  collect.file(config.file);
  collect.directory(config.audit.directory, FileUse::keep);
  collect.directory(config.state_directory, FileUse::keep);
  add_admin(collect, config.admin);
  for (const auto& [name, target] : config.targets) {
    add_target(collect, target);
    for (const auto& [role_name, role] : target.roles) add_source(collect, role.auth, sources, around);
  }
  for (const auto& route : config.routes) add_route(collect, route);
  for (const auto& file : config.identity.files) collect.file(file);
  return collect.rules();
}

std::vector<std::string> beyond_sandbox(const std::vector<FileRule>& granted,
                                        const std::vector<FileRule>& wanted) {
  std::vector<std::string> beyond;
  for (const auto& rule : wanted) {
    const bool held =
        std::any_of(granted.begin(), granted.end(), [&](const FileRule& one) { return covers(one, rule); });
    if (!held) beyond.push_back(rule.path);
  }
  return beyond;
}

}  // namespace sallyport::cli
