#include "cli/confinement.h"

#include "base/trusted_file.h"
#include "cli/environment.h"
#include "cli/file_gate.h"
#include "cli/program_gate.h"
#include "config/document.h"
#include "net/http.h"
#include "net/socket_directory.h"

#include <openssl/x509.h>

#include <sys/stat.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>

namespace sallyport::cli {

namespace {

std::string real_path(const std::string& path) {
  const std::unique_ptr<char, decltype([](char* text) { std::free(text); })> real{
      realpath(path.c_str(), nullptr)};
  return real == nullptr ? std::string{} : std::string{real.get()};
}

/// A copy: secrets are wiped in processes that are forked.
SandboxSurroundings surroundings_of(const Context& context) {
  const auto& environment = *context.environment;
  std::map<std::string, std::string> variables;
  for (const auto& name : file_variables(secrets::register_all())) variables[name] = environment.plain(name);
  return {[variables](const std::string& name) {
            const auto found = variables.find(name);
            return found == variables.end() ? std::string{} : found->second;
          },
          environment.home(),
          real_path,
          {X509_get_default_cert_file(), X509_get_default_cert_dir() + std::string{"/any"}}};
}

std::vector<net::FileRule> rules_of(const Context& context, config::Config config) {
  std::error_code ignored;
  config.file = std::filesystem::absolute(config.file, ignored).string();
  return sandbox_rules(config, secrets::register_all(), surroundings_of(context));
}

/// As whoever uses it makes it, each missing part 0700. What fails here fails there again, with a better message.
void make_private(const std::string& path) {
  for (std::size_t slash = path.find('/', 1); slash != std::string::npos; slash = path.find('/', slash + 1))
    mkdir(path.substr(0, slash).c_str(), 0700);
  mkdir(path.c_str(), 0700);
}

void make_directories(const config::Config& config) {
  make_private(config.audit.directory);
  make_private(config.state_directory);
  const auto open = [](const std::string& directory) {
    [[maybe_unused]] const auto made = net::SocketDirectory::open_shared(directory);
  };
  for (const auto& route : config.routes) {
    if (const auto* local = std::get_if<UnixListen>(&route.listen)) open(local->directory);
  }
  const auto parent = [](const std::string& path) { return path.substr(0, path.rfind('/')); };
  if (!config.admin.socket.empty()) open(parent(config.admin.socket));
  if (const auto* path = std::get_if<std::string>(&config.admin.listen)) open(parent(*path));
}

std::string joined(const std::vector<std::string>& words) {
  std::string all;
  for (const auto& word : words) all += (all.empty() ? "" : ", ") + word;
  return all;
}

}  // namespace

Result<Confinement> Confinement::enter(Context& context, const config::Config& config) {
  Confinement made;
  const bool wanted = config.sandbox != config::SandboxMode::off;
  // Whoever has taken us over could else have the helper start anything.
  auto helper = net::Helper::fork_now({}, wanted ? program_gate(config) : nullptr);
  if (!helper) return helper.error();
  made.helper_ = std::move(*helper);
  made.status_.mode = config.sandbox == config::SandboxMode::required ? "required" : wanted ? "auto" : "off";
  // Before files are out of reach, and while a failure still ends the start.
  if (auto loaded = net::load_http_library(); loaded.has_error()) return loaded.error();
  if (!wanted) return made;
  if (auto entered = made.enter_sandbox(context, config); !entered) return entered.error();
  return made;
}

Result<void> Confinement::enter_sandbox(Context& context, const config::Config& config) {
  if (net::landlock_version() > 0) {
    auto scout = net::Scout::fork_now();
    if (!scout) return scout.error();
    scout_ = std::move(*scout);
    scout_->on_silence([&logger = context.logger] {
      logger.write(LogLevel::error, "the process that says what clients run does not answer",
                   {{"so", "rules with `executable` match nobody, and the trail does not name executables"},
                    {"fix", "restart Sallyport if it does not answer soon"}});
    });
    auto porter = net::Porter::fork_now(file_gate(config.file, surroundings_of(context)));
    if (!porter) return porter.error();
    porter_ = std::move(*porter);
  }
  make_directories(config);
  auto rules = rules_of(context, config);
  // A service manager may listen on an abstract socket for what we tell it.
  const bool abstract_sockets = !context.environment->plain("NOTIFY_SOCKET").starts_with('@');
  auto report = net::enter_sandbox(rules, abstract_sockets);
  if (!report) return report.error();
  for (const auto& why : report->why) {
    context.logger.write(LogLevel::warning, "a part of the sandbox cannot be entered", {{"why", why}});
  }
  status_.in_force = report->in_force;
  status_.landlock = report->landlock;
  missing_ = report->lacking;
  if (report->confines_files()) {
    granted_ = std::move(rules);
  } else {
    scout_.reset();
    porter_.reset();
  }
  if (config.sandbox != config::SandboxMode::required || missing_.empty()) return {};
  return Error{
      ErrorCode::peer_unsupported,
      Hop::config,
      "sandbox: required",
      "this kernel does not give " + joined(missing_) +
          (report->why.empty() ? std::string{} : " (" + joined(report->why) + ")"),
      "Use a kernel that has it (docs/operations.md, Sandbox), or sandbox: auto, which takes what there is.",
      {}};
}

FileOpener Confinement::outside() const {
  if (porter_ == nullptr) return nullptr;
  return [porter = porter_](const std::string& path) { return porter->open(path); };
}

Result<void> Confinement::holds(const Context& context, const config::Config& served) const {
  if (granted_.empty()) return {};
  std::error_code ignored;
  const auto file = std::filesystem::absolute(served.file, ignored).string();
  const auto text = read_trusted_file(file, config::config_bytes_max, outside());
  if (!text) return {};  // whoever loads it next says why
  auto fresh = config::parse(*text, served.file, context.clock.now().wall);
  if (!fresh) return {};
  fresh->audit = served.audit;
  fresh->state_directory = served.state_directory;
  fresh->admin = served.admin;
  auto wanted = rules_of(context, *fresh);
  std::erase_if(wanted, [](const net::FileRule& rule) { return rule.use == net::FileUse::read; });
  const auto beyond = beyond_sandbox(granted_, wanted);
  if (beyond.empty()) return {};
  return Error{ErrorCode::bad_config,
               Hop::config,
               served.file,
               "has sockets outside the sandbox of this process: " + joined(beyond),
               "Restart Sallyport: the sandbox is made at start, and nobody can widen it afterwards.",
               {}};
}

}  // namespace sallyport::cli
