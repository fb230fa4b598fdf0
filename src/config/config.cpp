// From a text to a Config: what the table of keys cannot check, because it needs several of them.
#include "config/config.h"

#include "config/opening.h"
#include "config/values.h"
#include "secrets/words.h"

namespace sallyport::config {
namespace {

constexpr std::string_view default_state = "sqlite:/var/lib/sallyport/state.db";
constexpr std::string_view default_trail = "/var/lib/sallyport/audit";

using Parsed = boost::system::result<Config, std::vector<Error>>;

void read_state(const Node& root, Config& config, Problems& problems) {
  const Node* node = good(root, "state");
  const std::string text = text_of(root, "state", default_state);
  constexpr std::string_view scheme = "sqlite:";
  const std::string path = text.starts_with(scheme) ? text.substr(scheme.size()) : std::string{};
  if (is_plain_absolute_path(path) && path != "/") {
    config.state_directory = path.substr(0, std::max<std::size_t>(path.rfind('/'), 1));
    return;
  }
  if (node == nullptr) return;
  if (text.starts_with("postgres:") || text.starts_with("postgres://") || text.starts_with("postgresql:")) {
    problems.add(*node, "`state` in PostgreSQL is not in this version", "Use `sqlite:/DIRECTORY/state.db`.");
  } else {
    problems.add(*node, "`state` is " + in_backquotes(text) + ", expected `sqlite:` and an absolute file",
                 "Example: `" + std::string{default_state} + "`.");
  }
}

void read_audit(const Node& root, Config& config) {
  static const Node none;
  const Node* audit = good(root, "audit");
  const Node& map = audit == nullptr ? none : *audit;
  config.audit.mode = text_of(map, "mode") == "best-effort" ? AuditMode::best_effort : AuditMode::required;
  config.audit.directory = std::string{strip_file_scheme(text_of(map, "dir", default_trail))};
  config.audit.durability_power = text_of(map, "durability") == "power";
}

void read_reload(const Node& root, Config& config) {
  const Node* reload = good(root, "reload");
  if (reload == nullptr) return;
  if (const auto grace = parse_duration(text_of(*reload, "grace")))
    config.reload_grace = std::chrono::milliseconds{*grace};
}

void read_upgrade(const Node& root, Config& config) {
  const Node* upgrade = good(root, "upgrade");
  if (upgrade == nullptr) return;
  if (const auto most = parse_duration(text_of(*upgrade, "drain_max")))
    config.upgrade_drain_max = std::chrono::milliseconds{*most};
}

void read_limits(const Node& root, Config& config) {
  const Node* limits = good(root, "limits");
  if (limits == nullptr) return;
  if (const auto most = parse_integer(text_of(*limits, "clients_max")))
    config.clients_max = static_cast<std::size_t>(*most);
}

void read_sandbox(const Node& root, Config& config) {
  const auto mode = text_of(root, "sandbox");
  config.sandbox = mode == "off"        ? SandboxMode::off
                   : mode == "required" ? SandboxMode::required
                                        : SandboxMode::automatic;
}

void read_identity(const Node& root, Config& config, Problems& problems) {
  const Node* identity = good(root, "identity");
  if (identity == nullptr) return;
  for (const Node* command : scalars_of(*identity, "programs")) {
    secrets::WordsError error;
    auto words = secrets::split_words(command->text, error);
    if (!error.what.empty()) {
      problems.add(*command, "`programs`: " + std::string{error.what},
                   "Write it as for `exec:`, without a shell.");
    } else if (words.empty() || !is_plain_absolute_path(words.front())) {
      problems.add(*command, "`programs`: the program is named without its whole path",
                   "Write the path that `command -v` shows for it.");
    } else {
      config.identity.programs.push_back(std::move(words));
    }
  }
  for (const Node* file : scalars_of(*identity, "files"))
    config.identity.files.emplace_back(strip_file_scheme(file->text));
}

void read_targets(const Node& root, const Surroundings& around, Config& config, Problems& problems) {
  const Node* targets = good(root, "targets");
  if (targets == nullptr) return;
  for (const Entry& entry : targets->entries) {
    if (entry.value->wrong || entry.value->type != Node::Type::map) continue;
    config.targets.emplace(entry.key, read_target(entry, around, problems));
  }
}

void read_routes(const Node& root, const Surroundings& around, Config& config, Problems& problems) {
  const Node* routes = good(root, "routes");
  if (routes == nullptr) return;
  std::map<std::string, Position> listens;
  for (const Node* item : routes->items) {
    if (item->wrong || item->type != Node::Type::map) continue;
    ReadRoute read = read_route(*item, config, good(root, "targets"), around, problems);
    if (!read.route.name.empty()) {
      const auto [first, fresh] = listens.emplace(read.route.name, read.listen_at);
      if (!fresh) {
        problems.add(read.listen_at,
                     "this `listen` is also that of the route at line " + std::to_string(first->second.line),
                     "Join their `allow` rules, or give one another directory or port.");
      }
    }
    config.routes.push_back(std::move(read.route));
  }
}

}  // namespace

Parsed parse_with(std::string_view yaml, std::string_view file, const Surroundings& around) {
  Problems problems(file);
  Tree tree = open_tree(yaml, problems, all_keys(),
                        "Write `version: 1`, `targets:` and `routes:`; see docs/configuration.md.");
  const Node* root = tree.root;
  if (root == nullptr) return problems.take_errors();
  Config config;
  config.file = std::string{file};
  read_targets(*root, around, config, problems);
  read_routes(*root, around, config, problems);
  read_state(*root, config, problems);
  read_audit(*root, config);
  read_reload(*root, config);
  read_upgrade(*root, config);
  read_limits(*root, config);
  read_sandbox(*root, config);
  read_identity(*root, config, problems);
  if (const Node* admin = good(*root, "admin")) config.admin = read_admin(*admin, around, problems);
  if (!problems.empty()) return problems.take_errors();
  config.warnings = problems.take_warnings();
  return config;
}

Parsed parse(std::string_view yaml, std::string_view file, WallTime now) {
  return parse_with(yaml, file, this_machine(now));
}

Parsed load(const std::string& file, WallTime now, const FileOpener& outside) {
  auto content = content_of(file, outside);
  if (!content) return std::vector<Error>{content.error()};
  return parse_with(*content, file, surroundings(now, outside));
}

Result<Places> find_places(const std::string& file) {
  auto content = content_of(file, nullptr);
  if (!content) return content.error();
  Problems problems(file);
  const auto document = read_document(*content);
  if (!document) {
    problems.add(document.error());
    return problems.take_errors().front();
  }
  const Node* root = (*document)->root;
  const auto value = [root](std::string_view map, std::string_view key) -> const std::string* {
    const auto* outer = root == nullptr ? nullptr : root->find(map);
    const auto* inner = outer == nullptr ? nullptr : outer->value->find(key);
    return inner == nullptr ? nullptr : &inner->value->text;
  };
  Places places{Admin{}.socket, std::string{default_trail}};
  if (const auto* socket = value("admin", "socket"))
    places.admin_socket = *socket == "off" ? std::string{} : *socket;
  if (const auto* directory = value("audit", "dir"))
    places.audit_directory = std::string{strip_file_scheme(*directory)};
  return places;
}

std::string file_to_use(std::string_view flag, const char* environment) {
  if (!flag.empty()) return std::string{flag};
  if (environment != nullptr && *environment != '\0') return environment;
  return std::string{default_file};
}

}  // namespace sallyport::config
