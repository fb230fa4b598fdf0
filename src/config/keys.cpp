// The table of keys, put together, and how the documentation names its types.
#include "config/keys.h"

#include <vector>

namespace sallyport::config {
namespace {

std::string quoted_list(std::string_view choices) {
  std::string out;
  while (!choices.empty()) {
    const auto bar = choices.find('|');
    if (!out.empty()) out += ", ";
    out.append("`").append(choices.substr(0, bar)).append("`");
    choices = bar == std::string_view::npos ? std::string_view{} : choices.substr(bar + 1);
  }
  return out;
}

std::string milliseconds_text(std::int64_t value) {
  if (value % day_ms == 0) return std::to_string(value / day_ms) + " days";
  if (value % minute_ms == 0) return std::to_string(value / minute_ms) + " min";
  if (value % second_ms == 0) return std::to_string(value / second_ms) + " s";
  return std::to_string(value) + " ms";
}

std::string scalar_type(const Key& key) {
  switch (key.kind) {
    case Kind::none: return "number";
    case Kind::text: return "text";
    case Kind::name: return "name";
    case Kind::integer: return "integer, " + std::to_string(key.min) + " to " + std::to_string(key.max);
    case Kind::duration:
      return "duration, " + milliseconds_text(key.min) + " to " + milliseconds_text(key.max);
    case Kind::choice:
    case Kind::tls_mode:
      return std::string{key.choices.find('|') == std::string_view::npos ? "" : "one of "} +
             quoted_list(key.choices);
    case Kind::path: return "absolute path";
    case Kind::reference: return "reference";
  }
  return {};
}

}  // namespace

std::span<const Key> all_keys() {
  static const std::vector<Key> all = [] {
    std::vector<Key> out;
    for (const auto part : {target_keys(), route_keys(), admin_keys()})
      out.insert(out.end(), part.begin(), part.end());
    return out;
  }();
  return all;
}

const Key* find_key(std::string_view path, std::span<const Key> table) {
  for (const Key& key : table) {
    if (key.path == path) return &key;
  }
  return nullptr;
}

std::string_view last_part(std::string_view path) {
  const auto dot = path.rfind('.');
  return dot == std::string_view::npos ? path : path.substr(dot + 1);
}

std::string_view parent_part(std::string_view path) {
  const auto dot = path.rfind('.');
  return dot == std::string_view::npos ? std::string_view{} : path.substr(0, dot);
}

std::string describe_type(const Key& key) {
  if (key.since == Since::later) return "not in this version";
  switch (key.shape) {
    case Shape::scalar: return scalar_type(key);
    case Shape::scalar_or_list: return scalar_type(key) + ", or a list of them";
    case Shape::list: return "list";
    case Shape::map: return "map";
    case Shape::scalar_or_map: return scalar_type(key) + " or map";
    case Shape::named_map: return "map of names";
  }
  return {};
}

}  // namespace sallyport::config
