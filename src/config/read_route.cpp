// routes[]
#include "config/reader.h"
#include "config/values.h"

#include <algorithm>

namespace sallyport::config {
namespace {

/// What the kernel shows for ids that have no meaning here (other user namespaces), and what NFS and
/// containers give to strangers: no identity.
constexpr std::uint32_t overflow_id = 65'534;
constexpr std::uint32_t no_id = 0xFFFF'FFFF;  // (uid_t)-1

std::vector<std::string> names_of(const Node& map) {
  std::vector<std::string> out;
  for (const Entry& entry : map.entries) out.push_back(entry.key);
  return out;
}

class RouteReader {
 public:
  RouteReader(const Node& node, const Config& config, const Node* targets, const Surroundings& around,
              Problems& problems)
      : node_(node), config_(config), targets_(targets), around_(around), problems_(problems) {}

  ReadRoute read() {
    read_listen();
    read_target_name();
    out_.route.tls = read_client_tls(node_, out_.route, around_, problems_);
    read_route_conditions(node_, out_.route, around_, problems_);
    if (const Node* allow = good(node_, "allow")) read_allow(*allow);
    return std::move(out_);
  }

 private:
  void read_listen() {
    const Node* node = good(node_, "listen");
    if (node == nullptr) return;
    out_.route.name = node->text;
    out_.listen_at = node->at;
    if (node->text.starts_with("unix:")) {
      read_unix(*node, node->text.substr(5));
    } else if (node->text.starts_with("tcp:")) {
      out_.route.listen = TcpListen{};  // for the rules, if the rest is wrong
      if (const auto listen = read_tcp_listen(*node, node->text.substr(4), problems_))
        out_.route.listen = *listen;
    } else {
      const bool path = node->text.starts_with('/');
      problems_.add(
          *node,
          "`listen` is " + in_backquotes(node->text) + ", expected `unix:DIR[:PORT]` or `tcp:ADDRESS:PORT`",
          path ? "Write `unix:` in front of the directory." : "Example: `unix:/run/sallyport/app:5432`.");
    }
  }

  void read_unix(const Node& node, std::string_view text) {
    UnixListen listen;
    const auto colon = text.rfind(':');
    const auto directory = text.substr(0, colon);
    if (colon != std::string_view::npos) {
      const auto port = parse_integer(text.substr(colon + 1));
      if (!port || *port < 1 || *port > 65'535) {
        problems_.add(node, "the port of " + in_backquotes(node.text) + " is not between 1 and 65535",
                      "The socket is DIR/.s.PGSQL.PORT; clients find it by both.");
        return;
      }
      listen.port = static_cast<std::uint16_t>(*port);
    }
    listen.directory = std::string{directory};
    // One name however it is written: a reload finds by it what is open.
    out_.route.name = "unix:" + listen.directory + ":" + std::to_string(listen.port);
    if (directory.substr(directory.rfind('/') + 1).starts_with(".s.PGSQL.")) {
      const auto parent = directory.substr(0, directory.rfind('/'));
      problems_.add(node, in_backquotes(node.text) + " is a socket, expected its directory",
                    "Write `unix:" + std::string{parent} + "`: the socket becomes DIR/.s.PGSQL.PORT.");
    } else if (!is_plain_absolute_path(directory)) {
      problems_.add(node, "the directory of " + in_backquotes(node.text) + " is no plain absolute path",
                    "Write it from the root, without `.`, `..`, doubled slashes and a slash at the end.");
    } else if (!socket_fits(directory, listen.port)) {
      problems_.add(node, "the socket path DIR/.s.PGSQL.PORT would be longer than 107 bytes",
                    "Use a shorter directory: the kernel takes no more.");
    }
    out_.route.listen = std::move(listen);
  }

  void read_target_name() {
    const Node* node = good(node_, "target");
    if (node == nullptr) return;
    out_.route.target = node->text;
    if (config_.targets.contains(node->text)) return;
    if (targets_ != nullptr && targets_->find(node->text) != nullptr) return;  // has errors of its own
    const auto known = targets_ == nullptr ? std::vector<std::string>{} : names_of(*targets_);
    const auto near = nearest(node->text, known);
    std::string hint = "Define it under `targets`.";
    if (!near.empty())
      hint = "Did you mean " + in_backquotes(near) + "?";
    else if (!known.empty() && known.size() <= 10)
      hint = "Targets: " + join_choices(known) + ".";
    problems_.add(*node, "there is no target " + in_backquotes(node->text), hint);
  }

  void read_allow(const Node& allow) {
    if (allow.items.empty()) {
      problems_.add(allow, "`allow` is empty: nobody could use the route", "Add e.g. `- {user: app}`.");
    }
    for (const Node* item : allow.items) {
      if (item->wrong || item->type != Node::Type::map) continue;
      out_.route.allow.push_back(read_rule(*item));
      positions_.push_back(item->at);
    }
    if (problems_.empty()) compare_rules(out_.route, positions_, problems_);
  }

  AllowRule read_rule(const Node& node) {
    AllowRule rule;
    constexpr std::string_view naming[] = {"user", "group", "unit", "cgroup", "certificate", "verifier"};
    if (std::ranges::none_of(naming, [&](std::string_view key) { return node.find(key) != nullptr; })) {
      const bool later = std::ranges::any_of(
          node.entries, [](const Entry& entry) { return entry.key != "role" && entry.value->wrong; });
      if (!later) {
        problems_.add(
            node,
            "the rule names neither `user`, `group`, `unit`, `cgroup`, `certificate` nor `verifier`, so "
            "it would let everybody in",
            "Add e.g. `user: NAME`.");
      }
    }
    if (const Node* user = good(node, "user")) {
      rule.user_name = user->text;
      rule.uid = id_of(*user, "user", around_.uid_of);
      if (rule.uid == 0u) {
        problems_.warn(user->at,
                       "user root: whatever runs as root on this machine may use the route. "
                       "Give the application a user of its own");
      }
    }
    if (const Node* group = good(node, "group")) {
      rule.group_name = group->text;
      rule.gid = id_of(*group, "group", around_.gid_of);
      if (rule.gid == 0u) problems_.warn(group->at, "group root: give the application a group of its own");
    }
    if (const Node* certificate = good(node, "certificate")) {
      if (auto read = policy::parse_certificate_rule(certificate->text)) {
        rule.certificate = std::move(*read);
      } else {
        problems_.add(*certificate,
                      "`certificate` " + in_backquotes(certificate->text) + " " + read.error().what,
                      read.error().hint);
      }
    }
    check_rule_with_tls(node, rule, out_.route, problems_);
    read_rule_conditions(node, out_.route, rule, around_, problems_);
    read_role(node, rule);
    read_databases(node, rule);
    return rule;
  }

  /// By number or by name; nullopt after a report.
  std::optional<std::uint32_t> id_of(
      const Node& node, const std::string& what,
      const std::function<std::optional<std::uint32_t>(const std::string&)>& find) {
    const auto number = parse_integer(node.text);
    std::optional<std::uint32_t> id;
    if (number && *number <= no_id) id = static_cast<std::uint32_t>(*number);
    if (!number) id = find(node.text);
    if (!id || *id == no_id) {
      problems_.add(node, "there is no " + what + " " + in_backquotes(node.text) + " on this machine",
                    "Create it, or write its number.");
      return std::nullopt;
    }
    if (*id == overflow_id) {
      problems_.add(node,
                    what + " " + in_backquotes(node.text) + " is " + std::to_string(overflow_id) +
                        ", which the kernel shows for every unknown " + what,
                    "Give the application a " + what + " of its own.");
      return std::nullopt;
    }
    return id;
  }

  void read_databases(const Node& node, AllowRule& rule) {
    const auto target = config_.targets.find(out_.route.target);
    for (const Node* name : scalars_of(node, "database")) {
      rule.databases.push_back(name->text);
      if (target == config_.targets.end() || target->second.databases.empty()) continue;
      const auto& known = target->second.databases;
      if (std::ranges::find(known, name->text) != known.end()) continue;
      problems_.add(
          *name, "target " + in_backquotes(target->first) + " has no database " + in_backquotes(name->text),
          "Databases: " + join_choices(known) + ".");
    }
  }

  void read_role(const Node& node, AllowRule& rule) {
    const auto target = config_.targets.find(out_.route.target);
    if (target == config_.targets.end()) return;
    const auto& roles = target->second.roles;
    std::vector<std::string> names;
    for (const auto& [name, role] : roles) names.push_back(name);
    const Entry* entry = node.find("role");
    if (entry == nullptr) {
      if (roles.size() == 1) rule.role = names.front();
      if (roles.size() > 1) {
        problems_.add(node.at,
                      "the rule names no `role`, and target " + in_backquotes(target->first) + " has several",
                      "Write `role:` with " + join_choices(names) + ".");
      }
      return;
    }
    if (entry->value->wrong) return;
    rule.role = entry->value->text;
    if (roles.contains(rule.role) || roles.empty()) return;
    const auto near = nearest(rule.role, names);
    problems_.add(
        *entry->value, "target " + in_backquotes(target->first) + " has no role " + in_backquotes(rule.role),
        near.empty() ? "Roles: " + join_choices(names) + "." : "Did you mean " + in_backquotes(near) + "?");
  }

  const Node& node_;
  const Config& config_;
  const Node* targets_;
  const Surroundings& around_;
  Problems& problems_;
  ReadRoute out_;
  std::vector<Position> positions_;
};

}  // namespace

ReadRoute read_route(const Node& node, const Config& config, const Node* targets_node,
                     const Surroundings& around, Problems& problems) {
  return RouteReader{node, config, targets_node, around, problems}.read();
}

}  // namespace sallyport::config
