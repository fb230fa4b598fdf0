#include "config/walker.h"

#include "config/keys.h"
#include "config/literal_secret.h"
#include "config/reference_check.h"
#include "config/values.h"

#include <algorithm>
#include <array>

namespace sallyport::config {
namespace {

/// What other tools call it.
struct Synonym {
  std::string_view word;
  std::string_view meant;
};
constexpr auto synonyms = std::to_array<Synonym>({
    {"hostname", "host"},       {"hostaddr", "host"},       {"server", "host"},         {"address", "host"},
    {"dbname", "database"},     {"databases", "database"},  {"db", "database"},         {"username", "user"},
    {"sslmode", "tls.mode"},    {"ssl", "tls"},             {"sslrootcert", "tls.roots"}, {"ca", "roots"},
    {"ca_file", "roots"},       {"sslcert", "tls.certificate"}, {"cert", "certificate"}, {"sslkey", "tls.key"},
    {"sslcrl", "tls.crl"},      {"type", "engine"},         {"driver", "engine"},       {"password", "auth"},
    {"secret", "auth"},         {"credential", "auth"},     {"credentials", "auth"},    {"owner", "run_as"},
    {"pool_mode", "pool.mode"}, {"pool_size", "pool.max"},  {"bind", "listen"},         {"uid", "user"},
    {"gid", "group"},           {"directory", "dir"},       {"path", "dir"},            {"role", "run_as"},
});

std::string joined(std::string_view parent, std::string_view key) {
  return parent.empty() ? std::string{key} : std::string{parent} + "." + std::string{key};
}

/// "roles of a target" for people: "targets.*.roles.*" is shown as "targets.NAME.roles.NAME".
std::string shown(std::string_view path) {
  std::string out;
  for (const char c : path) {
    if (c == '*') out += "NAME"; else out += c;
  }
  return out;
}

std::vector<std::string> keys_below(std::string_view parent) {
  std::vector<std::string> out;
  for (const Key& key : all_keys()) {
    const bool element = key.path.ends_with("[]") || last_part(key.path) == "*";
    if (!element && parent_part(key.path) == parent) out.emplace_back(last_part(key.path));
  }
  return out;
}

/// Where a key of this name does exist, when not here.
std::string home_of(std::string_view word) {
  for (const Key& key : all_keys()) {
    if (last_part(key.path) == word && key.since == Since::now && !parent_part(key.path).empty()) {
      return shown(parent_part(key.path));
    }
  }
  return {};
}

std::string hint_for_unknown(std::string_view word, std::string_view parent) {
  const auto here = keys_below(parent);
  for (const Synonym& synonym : synonyms) {
    if (word != synonym.word || find_key(joined(parent, synonym.meant)) == nullptr) continue;
    return "Here it is called `" + std::string{synonym.meant} + "`.";
  }
  if (const auto near = nearest(word, here); !near.empty()) return "Did you mean `" + near + "`?";
  if (const auto home = home_of(word); !home.empty()) return "It belongs below `" + home + "`.";
  return "Keys here: " + join_choices(here) + ".";
}

class Walker {
 public:
  explicit Walker(Problems& problems) : problems_(problems) {}

  /// `path` is the table's path of this map; its children are checked.
  void map(const Node& node, const std::string& path) {
    for (const Entry& entry : node.entries) {
      const std::string child = joined(path, entry.key);
      const Key* key = entry.key == "*" ? nullptr : find_key(child);
      if (key == nullptr) {
        unknown(entry, path);
      } else if (key->since == Since::later) {
        entry.value->wrong = true;
        problems_.add(entry.at, "`" + std::string{last_part(key->path)} + "` is not in this version",
                      "Remove it; it is for: " + std::string{key->meaning});
      } else {
        value(*entry.value, *key, entry.at);
      }
    }
    require(node, path);
  }

 private:
  void unknown(const Entry& entry, const std::string& path) {
    if (entry.value->wrong) return;   // a literal password: reported as that
    entry.value->wrong = true;
    const std::string place = path.empty() ? "" : " in `" + shown(path) + "`";
    problems_.add(entry.at, "unknown key " + quoted(entry.key) + place, hint_for_unknown(entry.key, path));
  }

  void require(const Node& node, const std::string& path) {
    for (const Key& key : all_keys()) {
      if (!key.required || parent_part(key.path) != path) continue;
      const auto name = last_part(key.path);
      if (node.find(name) != nullptr || (path.empty() && name == "version")) continue;
      problems_.add(node.at, "`" + std::string{name} + "` is missing" +
                                 (path.empty() ? "" : " in `" + shown(path) + "`"),
                    "Add it: " + std::string{key.meaning});
    }
  }

  void value(const Node& node, const Key& key, Position key_at) {
    if (node.wrong) return;
    const Key* element = find_key(std::string{key.path} + "[]");
    if (node.type == Node::Type::empty) {
      node.wrong = true;
      problems_.add(key_at, "`" + std::string{last_part(key.path)} + "` has no value",
                    "Expected: " + describe_type(key) + ".");
      return;
    }
    if (!has_shape(node, key)) {
      problems_.add(node, "`" + name_of_key(key) + "` is " + type_name(node) + ", expected: " + describe_type(key),
                    hint_for_shape(key));
      return;
    }
    switch (node.type) {
      case Node::Type::empty: break;
      case Node::Type::scalar: scalar(node, key); break;
      case Node::Type::list:
        for (const Node* item : node.items) {
          if (element != nullptr) value(*item, *element, item->at);
          else list_item(*item, key);
        }
        break;
      case Node::Type::map:
        if (key.shape == Shape::named_map) named_map(node, std::string{key.path} + ".*");
        else map(node, std::string{key.path});
        break;
    }
  }

  void named_map(const Node& node, const std::string& path) {
    const Key& key = *find_key(path);
    for (const Entry& entry : node.entries) {
      if (!is_name(entry.key)) {
        problems_.add(entry.at, quoted(entry.key) + " is no name",
                      "Use letters, digits, `_`, `.` and `-`, at most 63, a letter or digit first.");
      }
      value(*entry.value, key, entry.at);
    }
  }

  void list_item(const Node& item, const Key& key) {
    if (item.type == Node::Type::scalar) {
      scalar(item, key);
    } else if (!item.wrong) {
      problems_.add(item, "an element of `" + name_of_key(key) + "` is " + type_name(item),
                    "Expected: " + describe_type(key) + ".");
    }
  }

  static std::string name_of_key(const Key& key) {
    const auto last = last_part(key.path);
    if (last == "*") return shown(key.path);
    return std::string{last};
  }

  static std::string type_name(const Node& node) {
    switch (node.type) {
      case Node::Type::empty: return "empty";
      case Node::Type::scalar: return "a single value";
      case Node::Type::list: return "a list";
      case Node::Type::map: return "a map";
    }
    return {};
  }

  static bool has_shape(const Node& node, const Key& key) {
    const bool scalar = node.type == Node::Type::scalar;
    const bool list = node.type == Node::Type::list;
    const bool map = node.type == Node::Type::map;
    switch (key.shape) {
      case Shape::scalar: return scalar;
      case Shape::scalar_or_list: return scalar || list;
      case Shape::list: return list;
      case Shape::map:
      case Shape::named_map: return map;
      case Shape::scalar_or_map: return scalar || map;
    }
    return false;
  }

  static std::string hint_for_shape(const Key& key) {
    switch (key.shape) {
      case Shape::list: return "Begin each element with `- `, or write `[…, …]`.";
      case Shape::map:
      case Shape::named_map: return "Write `key: value` lines below it, or `{key: value}`.";
      default: return {};
    }
  }

  void scalar(const Node& node, const Key& key) {
    if (node.wrong) return;
    const std::string name = name_of_key(key);
    switch (key.kind) {
      case Kind::none: break;
      case Kind::text:
        if (node.text.empty()) problems_.add(node, "`" + name + "` is empty", std::string{key.meaning});
        break;
      case Kind::name:
        if (!is_name(node.text)) problems_.add(node, quoted(node.text) + " is no name");
        break;
      case Kind::integer: integer(node, key, name); break;
      case Kind::duration: duration(node, key, name); break;
      case Kind::choice: choice(node, key, name); break;
      case Kind::path: path(node, name); break;
      case Kind::reference: check_reference(node, name, problems_); break;
    }
  }

  void integer(const Node& node, const Key& key, const std::string& name) {
    const auto value = parse_integer(node.text);
    if (!value || *value < key.min || *value > key.max) {
      problems_.add(node, "`" + name + "` is " + quoted(node.text) + ", expected: " + describe_type(key));
    }
  }

  void duration(const Node& node, const Key& key, const std::string& name) {
    const auto value = parse_duration(node.text);
    if (value && *value >= key.min && *value <= key.max) return;
    std::string hint;
    if (parse_integer(node.text)) hint = "Add a unit: `" + node.text.substr(0, 20) + "s`, `10 min`, `1h`.";
    else if (!value) hint = "Write a whole number and a unit: `30s`, `10 min`, `1h`.";
    problems_.add(node, "`" + name + "` is " + quoted(node.text) + ", expected: " + describe_type(key), hint);
  }

  void choice(const Node& node, const Key& key, const std::string& name) {
    const auto choices = split_choices(key.choices);
    if (std::ranges::find(choices, node.text) != choices.end()) return;
    const auto later = split_choices(key.later_choices);
    if (std::ranges::find(later, node.text) != later.end()) {
      problems_.add(node, "`" + name + ": " + node.text + "` is not in this version",
                    "Use " + join_choices(choices) + ".");
      return;
    }
    const auto near = nearest(node.text, choices);
    problems_.add(node, "`" + name + "` is " + quoted(node.text) + ", expected " + join_choices(choices),
                  near.empty() ? "" : "Did you mean `" + near + "`?");
  }

  void path(const Node& node, const std::string& name) {
    const auto text = strip_file_scheme(node.text);
    if (is_plain_absolute_path(text)) return;
    const std::string hint = text.starts_with('/')
                                 ? "Leave out `.`, `..`, doubled slashes and a slash at the end."
                                 : "Write it from the root: a relative path would depend on where we were started.";
    problems_.add(node, "`" + name + "` is " + quoted(node.text) + ", expected: absolute path", hint);
  }

  Problems& problems_;
};

}  // namespace

void check_against_table(const Node& root, Problems& problems) { Walker{problems}.map(root, ""); }

}  // namespace sallyport::config
