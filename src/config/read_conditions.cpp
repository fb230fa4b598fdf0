// What routes and their rules ask for beside the connecting process: local passwords, addresses, hours; and limits.
//
// The files that they name (verifiers, the zones of the system) are read here, at load, by the same rules as the
// configuration itself: a session that asks must not wait for a disk, and a file with a mistake must not be found
// at night.
#include "base/trusted_file.h"
#include "config/reader.h"
#include "config/values.h"

#include <algorithm>

namespace sallyport::config {
namespace {

constexpr std::string_view zone_directory = "/usr/share/zoneinfo/";

class ConditionReader {
 public:
  ConditionReader(const Surroundings& around, Problems& problems) : around_(around), problems_(problems) {}

  [[nodiscard]] std::vector<policy::AddressRange> addresses(const Node& map, const Route& route) {
    std::vector<policy::AddressRange> out;
    for (const Node* node : scalars_of(map, "addresses")) {
      auto range = policy::parse_address_range(node->text);
      if (!range) {
        problems_.add(*node, "`addresses`: " + in_backquotes(node->text) + " " + range.error().what,
                      range.error().hint);
        continue;
      }
      out.push_back(std::move(*range));
    }
    const bool local = route.name.starts_with("unix:");
    if (const Node* node = good(map, "addresses"); node != nullptr && local) {
      problems_.add(*node, "`addresses` on a Unix socket would admit nobody: its clients have no address",
                    "Remove it, or listen on `tcp:`.");
    }
    return out;
  }

  [[nodiscard]] std::vector<policy::Hours> hours(const Node& map) {
    std::vector<policy::Hours> out;
    for (const Node* node : scalars_of(map, "hours")) {
      auto hours = policy::parse_hours(node->text);
      if (!hours) {
        problems_.add(*node, "`hours` is " + in_backquotes(node->text) + ": " + hours.error().what,
                      hours.error().hint);
        continue;
      }
      if (read_zone(*node, *hours)) out.push_back(std::move(*hours));
    }
    return out;
  }

  static std::size_t number(const Node& map, std::string_view key) {
    const auto value = parse_integer(text_of(map, key));
    return static_cast<std::size_t>(value.value_or(0));
  }

  void passwords(const Node& map, Route& route, AllowRule& rule) {
    const Node* file = good(map, "verifier");
    if (file == nullptr) {
      if (const Node* login = good(map, "login"))
        problems_.add(*login, "`login` without `verifier`", "Name the file of passwords that it is about.");
      return;
    }
    rule.verifier = std::string{strip_file_scheme(file->text)};
    if (rule.verifier.empty()) return;
    std::vector<const Node*> wanted = scalars_of(map, "login");
    for (const Node* login : wanted) rule.logins.push_back(login->text);
    if (around_.read_file) read_verifiers(*file, wanted, route, rule);
    std::ranges::sort(rule.logins);
    // Not std::ranges::unique: clang 14 cannot compile what it returns.
    rule.logins.erase(std::unique(rule.logins.begin(), rule.logins.end()), rule.logins.end());
  }

  void process(const Node& map, AllowRule& rule) {
    rule.cgroup = std::string{strip_file_scheme(text_of(map, "cgroup"))};
    rule.allow_namespaced = text_of(map, "allow_namespaced") == "true";
    if (const Node* unit = good(map, "unit")) {
      rule.unit = unit->text;
      if (!policy::is_unit_name(rule.unit))
        problems_.add(*unit,
                      "`unit` is " + in_backquotes(unit->text) + ", expected the name of a service or scope",
                      "Example: `app.service`; for slices use `cgroup`.");
    }
    const Node* file = good(map, "executable");
    const Node* digest = good(map, "executable_sha256");
    if (file == nullptr) {
      if (digest != nullptr)
        problems_.add(*digest, "`executable_sha256` without `executable`", "Name the file.");
      return;
    }
    rule.executable = std::string{strip_file_scheme(file->text)};
    if (map.find("user") == nullptr) {
      problems_.add(*file, "`executable` without `user`: whoever can run the program would be admitted",
                    "Add `user: NAME`; the program only narrows it.");
    }
    if (around_.look_at_program && !rule.executable.empty()) read_program(*file, digest, rule);
  }

 private:
  void read_program(const Node& node, const Node* digest, AllowRule& rule) {
    const auto program = around_.look_at_program(rule.executable);
    if (!program) {
      const auto error = located_at(rule.executable, program.error());
      problems_.add(node, "`executable`: " + error.where + " " + error.what, error.hint);
      return;
    }
    if (program->script) {
      problems_.add(node,
                    "`executable`: " + rule.executable + " is a script, and what runs is its interpreter",
                    "Give the script a user or a unit of its own.");
    }
    if (digest != nullptr && digest->text != program->sha256) {
      problems_.add(*digest,
                    "`executable_sha256` is not that of " + rule.executable + ", which is " + program->sha256,
                    "If it was replaced on purpose, write this one.");
    }
    rule.program = program->id;
  }

  bool read_zone(const Node& node, policy::Hours& hours) {
    if (hours.zone_name == "UTC" || !around_.read_file) return true;
    const auto content =
        around_.read_file(std::string{zone_directory} + hours.zone_name, policy::time_zone_bytes_max);
    if (!content) {
      problems_.add(
          node, "time zone " + in_backquotes(hours.zone_name) + " cannot be read: " + content.error().what,
          "Zones are those below " + std::string{zone_directory} +
              " (package tzdata); without it write `UTC`.");
      return false;
    }
    auto zone = policy::decode_time_zone(as_bytes(*content));
    if (!zone) {
      problems_.add(node, "time zone " + in_backquotes(hours.zone_name) + ": its file " + zone.error().what,
                    zone.error().hint);
      return false;
    }
    hours.zone = std::make_shared<const policy::TimeZone>(std::move(*zone));
    return true;
  }

  void read_verifiers(const Node& node, const std::vector<const Node*>& wanted, Route& route,
                      AllowRule& rule) {
    const auto content = around_.read_file(rule.verifier, policy::password_file_bytes_max);
    if (!content) {
      const auto error = located_at(rule.verifier, content.error());
      problems_.add(node, "`verifier`: " + error.where + " " + error.what, error.hint);
      return;
    }
    auto verifiers = policy::parse_password_file(*content);
    if (!verifiers) {
      const auto& error = verifiers.error();
      problems_.add(node, "`verifier`: " + error.where + " of " + rule.verifier + " " + error.what,
                    error.hint);
      return;
    }
    for (const Node* login : wanted) {
      if (verifiers->contains(login->text)) continue;
      problems_.add(*login, "there is no " + in_backquotes(login->text) + " in " + rule.verifier,
                    "Add it: `sallyport passwd --file " + rule.verifier + " NAME`.");
    }
    if (wanted.empty()) {
      for (const auto& [name, verifier] : *verifiers) rule.logins.push_back(name);
    }
    warn_of(node, *verifiers, rule);
    merge(node, std::move(*verifiers), route, rule);
  }

  void warn_of(const Node& node, const policy::Verifiers& verifiers, const AllowRule& rule) {
    if (verifiers.empty())
      problems_.warn(node.at, rule.verifier + " has no names yet: the rule admits nobody");
    if (!policy::have_one_shape(verifiers)) {
      problems_.warn(node.at,
                     "not all verifiers in " + rule.verifier +
                         " have the same number of iterations: whoever asks for a name can tell by the "
                         "rare ones that it exists. Make them anew alike");
    }
    if (around_.others_read && around_.others_read(rule.verifier)) {
      problems_.warn(node.at,
                     "others may read " + rule.verifier + " and try passwords against it. Use chmod 600");
    }
  }

  /// One name, one password, on one route.
  void merge(const Node& node, policy::Verifiers verifiers, Route& route, const AllowRule& rule) {
    for (auto& [name, verifier] : verifiers) {
      if (std::ranges::find(rule.logins, name) == rule.logins.end()) continue;
      const auto [known, fresh] = route.passwords.emplace(name, verifier);
      if (fresh || known->second == verifier) continue;
      problems_.add(
          node, "the route has another password of " + in_backquotes(name) + " in another `verifier` file",
          "Keep one of them, or narrow the rules with `login`.");
      return;
    }
  }

  const Surroundings& around_;
  Problems& problems_;
};

}  // namespace

void read_rule_conditions(const Node& node, Route& route, AllowRule& rule, const Surroundings& around,
                          Problems& problems) {
  ConditionReader reader{around, problems};
  reader.process(node, rule);
  reader.passwords(node, route, rule);
  rule.addresses = reader.addresses(node, route);
  rule.hours = reader.hours(node);
  rule.connections_max = ConditionReader::number(node, "connections_max");
  rule.replication = text_of(node, "replication") == "true";
}

void read_route_conditions(const Node& node, Route& route, const Surroundings& around, Problems& problems) {
  ConditionReader reader{around, problems};
  route.addresses = reader.addresses(node, route);
  route.hours = reader.hours(node);
  route.connections_max = ConditionReader::number(node, "connections_max");
  route.connections_per_second_max = ConditionReader::number(node, "connections_per_second_max");
  if (const auto age = parse_duration(text_of(node, "session_age_max")))
    route.session_age_max = std::chrono::milliseconds{*age};
}

}  // namespace sallyport::config
