// Keys that are not of the table, and what was meant by them.
#include "config/guess.h"

#include "config/keys.h"
#include "config/literal_secret.h"
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
    {"hostname", "host"},
    {"hostaddr", "host"},
    {"server", "host"},
    {"address", "host"},
    {"dbname", "database"},
    {"databases", "database"},
    {"db", "database"},
    {"username", "user"},
    {"sslmode", "tls.mode"},
    {"ssl", "tls"},
    {"sslrootcert", "tls.roots"},
    {"ca", "roots"},
    {"ca_file", "roots"},
    {"sslcert", "tls.certificate"},
    {"cert", "certificate"},
    {"sslkey", "tls.key"},
    {"sslcrl", "tls.crl"},
    {"type", "engine"},
    {"driver", "engine"},
    {"owner", "run_as"},
    {"pool_mode", "pool.mode"},
    {"pool_size", "pool.max"},
    {"bind", "listen"},
    {"uid", "user"},
    {"gid", "group"},
    {"directory", "dir"},
    {"path", "dir"},
    {"role", "run_as"},
    {"db_name", "connection"},
    {"url", "connection_url"},
    {"plugin_name", "plugin"},
    {"user", "username"},
    {"run_as", "owner"},
    {"verify_connection", "verify"},
    {"ttl", "default_ttl"},
});

std::string joined(std::string_view parent, std::string_view key) {
  return parent.empty() ? std::string{key} : std::string{parent} + "." + std::string{key};
}

/// The table's path for people: "targets.NAME.pool".
std::string shown(std::string_view path) {
  std::string out;
  for (const char c : path) {
    if (c == '*')
      out += "NAME";
    else
      out += c;
  }
  return out;
}

std::vector<std::string> keys_below(std::string_view parent, std::span<const Key> table) {
  std::vector<std::string> out;
  for (const Key& key : table) {
    const bool element = key.path.ends_with("[]") || last_part(key.path) == "*";
    if (!element && parent_part(key.path) == parent) out.emplace_back(last_part(key.path));
  }
  return out;
}

/// Where a key of this name does exist, when not here.
std::string home_of(std::string_view word, std::span<const Key> table) {
  for (const Key& key : table) {
    if (last_part(key.path) == word && key.since == Since::now && !parent_part(key.path).empty()) {
      return shown(parent_part(key.path));
    }
  }
  return {};
}

/// "tls.mode" as it is written: "`tls: {mode: …}`".
std::string written(std::string_view path) {
  const auto dot = path.find('.');
  if (dot == std::string_view::npos) return "`" + std::string{path} + "`";
  return "`" + std::string{path.substr(0, dot)} + ": {" + std::string{path.substr(dot + 1)} + ": …}`";
}

}  // namespace

Guess guess(std::string_view word, std::string_view parent, std::span<const Key> table) {
  const auto here = keys_below(parent, table);
  const bool one_dot =
      std::ranges::count(word, '.') == 1 && word.find_first_of("*[]") == std::string_view::npos;
  if (one_dot && find_key(joined(parent, word), table) != nullptr)
    return {{}, "Write " + written(word) + "."};
  for (const Synonym& synonym : synonyms) {
    if (word != synonym.word || find_key(joined(parent, synonym.meant), table) == nullptr) continue;
    return {std::string{synonym.meant}, "Here it is called " + written(synonym.meant) + "."};
  }
  if (is_secret_key(word) && find_key(joined(parent, "auth"), table) != nullptr)
    return {"auth", "Here it is called `auth`."};
  if (const auto near = nearest(word, here); !near.empty()) return {near, "Did you mean `" + near + "`?"};
  if (const auto home = home_of(word, table); !home.empty()) return {{}, "It belongs below `" + home + "`."};
  return {{}, "Keys here: " + join_choices(here) + "."};
}

}  // namespace sallyport::config
