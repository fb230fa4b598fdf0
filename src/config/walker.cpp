// One walk along the table of keys, which is the only place that knows what exists.
#include "config/walker.h"

#include "config/guess.h"
#include "config/keys.h"
#include "config/reference_check.h"
#include "config/values.h"
#include "policy/tls_policy.h"

#include <algorithm>

namespace sallyport::config {
namespace {

/// A dot or bracket in a key would pass for a place of the table: `pool.max` is no key of a target.
bool is_plain_key(std::string_view key) { return key.find_first_of(".*[]") == std::string_view::npos; }

std::string joined(std::string_view parent, std::string_view key) {
  return parent.empty() ? std::string{key} : std::string{parent} + "." + std::string{key};
}

/// A place in the file: the table's path of it, and the path with its real names.
struct Place {
  std::string path;
  std::string shown;
  Position at;  ///< of the key

  [[nodiscard]] Place below(const Entry& entry) const {
    return {joined(path, entry.key), joined(shown, entry.key), entry.at};
  }
  /// " in `targets.production`", empty at the top.
  [[nodiscard]] std::string where() const { return path.empty() ? "" : " in `" + shown + "`"; }
};

class Walker {
 public:
  Walker(Problems& problems, std::span<const Key> table) : problems_(problems), table_(table) {}

  /// Checks the children of a map.
  void map(const Node& node, const Place& place) {
    std::vector<std::string> meant;  // mistyped keys are not missing as well
    for (const Entry& entry : node.entries) {
      const Place child = place.below(entry);
      const Key* key = is_plain_key(entry.key) ? find_key(child.path, table_) : nullptr;
      if (key == nullptr) {
        meant.push_back(unknown(entry, place));
      } else if (key->since == Since::later) {
        entry.value->wrong = true;
        problems_.add(entry.at, "`" + std::string{last_part(key->path)} + "` is not in this version",
                      "Remove it; it is for: " + std::string{key->meaning});
      } else {
        value(*entry.value, *key, child);
      }
    }
    require(node, place, meant);
  }

 private:
  std::string unknown(const Entry& entry, const Place& place) {
    Guess known = guess(entry.key, place.path, table_);
    if (entry.value->wrong) return known.meant;  // a literal password: reported as that
    entry.value->wrong = true;
    problems_.add(entry.at, "unknown key " + in_backquotes(entry.key) + place.where(), std::move(known.hint));
    return known.meant;
  }

  void require(const Node& node, const Place& place, const std::vector<std::string>& meant) {
    for (const Key& key : table_) {
      if (!key.required || parent_part(key.path) != place.path) continue;
      const auto name = last_part(key.path);
      if (node.find(name) != nullptr || std::ranges::find(meant, name) != meant.end()) continue;
      if (name == "version") continue;  // config.cpp says more
      const auto choices = key.choices.empty() ? "" : " (" + join_choices(split_choices(key.choices)) + ")";
      problems_.add(place.at, "`" + std::string{name} + "` is missing" + place.where(),
                    "Add it" + choices + ": " + std::string{key.meaning});
    }
  }

  void value(const Node& node, const Key& key, const Place& place) {
    if (node.wrong) return;
    const std::string name = name_of_key(key, place);
    if (node.type == Node::Type::empty) {
      node.wrong = true;
      problems_.add(place.at, "`" + name + "` has no value", "Expected: " + describe_type(key) + ".");
      return;
    }
    if (!has_shape(node, key)) {
      problems_.add(node, "`" + name + "` is " + type_name(node) + ", expected: " + describe_type(key),
                    hint_for_shape(key));
      return;
    }
    switch (node.type) {
      case Node::Type::empty: break;
      case Node::Type::scalar: scalar(node, key, name); break;
      case Node::Type::list: list(node, key, place, name); break;
      case Node::Type::map:
        if (key.shape == Shape::named_map)
          named_map(node, place);
        else
          map(node, place);
        break;
    }
  }

  void list(const Node& node, const Key& key, const Place& place, const std::string& name) {
    const Key* element = find_key(std::string{key.path} + "[]", table_);
    for (std::size_t i = 0; i < node.items.size(); ++i) {
      const Node& item = *node.items[i];
      const std::string index = "[" + std::to_string(i + 1) + "]";
      if (element != nullptr)
        value(item, *element, {std::string{element->path}, place.shown + index, item.at});
      else
        list_item(item, key, name);
    }
  }

  void named_map(const Node& node, const Place& place) {
    const std::string path = place.path + ".*";
    const Key& key = *find_key(path, table_);
    for (const Entry& entry : node.entries) {
      const bool fine = is_name(entry.key);
      if (!fine) {
        problems_.add(entry.at, in_backquotes(entry.key) + " is no name",
                      "Use letters, digits, `_`, `.` and `-`, at most 63, a letter or digit first.");
      }
      value(*entry.value, key, {path, joined(place.shown, fine ? entry.key : "NAME"), entry.at});
    }
  }

  void list_item(const Node& item, const Key& key, const std::string& name) {
    if (item.type == Node::Type::scalar) {
      scalar(item, key, name);
    } else if (!item.wrong) {
      problems_.add(item, "an element of `" + name + "` is " + type_name(item),
                    "Expected: " + describe_type(key) + ".");
    }
  }

  /// Keys by their own name; named and listed things by their whole path.
  static std::string name_of_key(const Key& key, const Place& place) {
    const auto last = last_part(key.path);
    return last == "*" || last.ends_with("[]") ? place.shown : std::string{last};
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

  void scalar(const Node& node, const Key& key, const std::string& name) {
    if (node.wrong) return;
    switch (key.kind) {
      case Kind::none: break;
      case Kind::text:
        if (node.text.empty()) problems_.add(node, "`" + name + "` is empty", std::string{key.meaning});
        break;
      case Kind::name:
        if (!is_name(node.text)) problems_.add(node, in_backquotes(node.text) + " is no name");
        break;
      case Kind::integer: integer(node, key, name); break;
      case Kind::duration: duration(node, key, name); break;
      case Kind::choice: choice(node, key, name); break;
      case Kind::tls_mode: tls_mode(node, name); break;
      case Kind::path: path(node, name); break;
      case Kind::reference: check_reference(node, name, problems_); break;
    }
  }

  void integer(const Node& node, const Key& key, const std::string& name) {
    const auto value = parse_integer(node.text);
    if (!value || *value < key.min || *value > key.max) {
      problems_.add(node,
                    "`" + name + "` is " + in_backquotes(node.text) + ", expected: " + describe_type(key));
    }
  }

  void duration(const Node& node, const Key& key, const std::string& name) {
    const auto value = parse_duration(node.text);
    if (value && *value >= key.min && *value <= key.max) return;
    std::string hint;
    if (parse_integer(node.text))
      hint = "Add a unit: `" + node.text.substr(0, 20) + "s`, `10 min`, `1h`.";
    else if (!value)
      hint = "Write a whole number and a unit: `30s`, `10 min`, `1h`.";
    problems_.add(node, "`" + name + "` is " + in_backquotes(node.text) + ", expected: " + describe_type(key),
                  hint);
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
    problems_.add(node,
                  "`" + name + "` is " + in_backquotes(node.text) + ", expected " + join_choices(choices),
                  near.empty() ? "" : "Did you mean `" + near + "`?");
  }

  void tls_mode(const Node& node, const std::string& name) {
    const auto mode = parse_tls_mode(node.text);
    if (!mode) problems_.add(node, "`" + name + "`: " + mode.error().what, mode.error().hint);
  }

  void path(const Node& node, const std::string& name) {
    const auto text = strip_file_scheme(node.text);
    if (is_plain_absolute_path(text)) return;
    const std::string hint =
        text.starts_with('/')
            ? "Leave out `.`, `..`, doubled slashes and a slash at the end."
            : "Write it from the root: a relative path would depend on where we were started.";
    problems_.add(node, "`" + name + "` is " + in_backquotes(node.text) + ", expected: absolute path", hint);
  }

  Problems& problems_;
  std::span<const Key> table_;
};

}  // namespace

void check_against_table(const Node& root, Problems& problems, std::span<const Key> table) {
  Walker{problems, table}.map(root, {"", "", root.at});
}

}  // namespace sallyport::config
