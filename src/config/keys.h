// Every key of the configuration, once: the parser reads this table, and a test compares
// docs/configuration.md with it. A key that is not here does not exist; one that is marked `later`
// is known, so that a file written for a coming version fails with the true reason.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace sallyport::config {

inline constexpr std::int64_t second_ms = 1'000;
inline constexpr std::int64_t minute_ms = 60 * second_ms;
inline constexpr std::int64_t day_ms = 24 * 60 * minute_ms;

/// What YAML node a key's value may be.
enum class Shape { scalar, scalar_or_list, list, map, scalar_or_map, named_map };

/// What a scalar must say. The walker checks it; readers then convert without checking again.
enum class Kind {
  none,       ///< no scalar, or one that its reader checks itself
  text,       ///< not empty
  name,       ///< [A-Za-z0-9_.-], at most name_bytes_max, begins with a letter or digit
  integer,    ///< decimal, between min and max
  duration,   ///< "30s", "10 min", between min and max milliseconds
  choice,     ///< one of `choices`
  tls_mode,   ///< policy/tls_policy.h
  path,       ///< absolute, without "." and ".." parts; "file:" in front is allowed
  reference,  ///< secrets/reference.h
};

enum class Since { now, later };

struct Key {
  std::string_view path;  ///< "targets.*.pool.max"; `*` is a name, `[]` an element of a list
  Shape shape = Shape::scalar;
  Kind kind = Kind::none;
  bool required = false;
  Since since = Since::now;
  std::string_view fallback;  ///< the default as the documentation prints it
  std::string_view meaning;
  std::string_view choices = {};        ///< "a|b"
  std::string_view later_choices = {};  ///< known to a later version
  std::int64_t min = 0;                 ///< integer: itself; duration: milliseconds
  std::int64_t max = 0;
};

/// A name of a target or role. PostgreSQL's NAMEDATALEN - 1.
inline constexpr std::size_t name_bytes_max = 63;

/// A key that is known and not yet read.
constexpr Key later(std::string_view path, std::string_view meaning) {
  return {.path = path, .since = Since::later, .meaning = meaning};
}

/// `version` and `targets`.
std::span<const Key> target_keys();
/// `routes` and what concerns the whole process.
std::span<const Key> route_keys();

/// `admin`.
std::span<const Key> admin_keys();

/// All, in the order of the documentation.
std::span<const Key> all_keys();

/// Those of a file for `sallyport vault` (vault_file.h): a table of its own.
std::span<const Key> vault_keys();

/// The key at exactly this path, or null.
const Key* find_key(std::string_view path, std::span<const Key> table = all_keys());

/// The last part of a path: "max" of "targets.*.pool.max".
std::string_view last_part(std::string_view path);

/// All but the last part; empty for keys of the top level.
std::string_view parent_part(std::string_view path);

/// "integer, 1 to 10000", "`session`", "reference": the documentation's second column.
std::string describe_type(const Key& key);

}  // namespace sallyport::config
