#include "config/opening.h"

#include "base/trusted_file.h"
#include "config/literal_secret.h"
#include "config/program.h"
#include "config/values.h"
#include "config/walker.h"

#include <grp.h>
#include <pwd.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>

namespace sallyport::config {
namespace {

void read_version(const Node& root, Problems& problems) {
  const Entry* version = root.find("version");
  if (version == nullptr) {
    problems.add(Position{}, "`version` is missing", "Write `version: 1` as the first line.");
  } else if (!version->value->wrong && version->value->text != "1") {
    problems.add(
        *version->value,
        "`version` is " + in_backquotes(version->value->text) + ", and this Sallyport reads version 1",
        parse_integer(version->value->text).value_or(0) > 1 ? "The file was written for a newer Sallyport."
                                                            : "Write `version: 1`.");
  }
}

/// getpwnam_r and getgrnam_r share a shape; the buffer grows until the entry fits (large groups).
template <class Entry, class Find, class Id>
std::optional<std::uint32_t> find_id(const std::string& name, Find find, Id id) {
  if (name.find('\0') != std::string::npos) return std::nullopt;
  for (std::size_t size = 4'096; size <= 1'048'576; size *= 4) {
    std::vector<char> buffer(size);
    Entry entry{};
    Entry* found = nullptr;
    const int result = find(name.c_str(), &entry, buffer.data(), buffer.size(), &found);
    if (result == ERANGE) continue;
    if (result != 0 || found == nullptr) return std::nullopt;
    return id(*found);
  }
  return std::nullopt;
}

}  // namespace

Surroundings this_machine(WallTime now) {
  return {.now = now,
          .uid_of =
              [](const std::string& name) {
                return find_id<passwd>(name, getpwnam_r, [](const passwd& entry) { return entry.pw_uid; });
              },
          .gid_of =
              [](const std::string& name) {
                return find_id<group>(name, getgrnam_r, [](const group& entry) { return entry.gr_gid; });
              },
          .check_file = {}};
}

Result<std::string> content_of(const std::string& file, const FileOpener& outside) {
  std::error_code ignored;  // without a working directory the path stays relative and is refused as such
  const auto absolute = std::filesystem::absolute(file, ignored);
  auto content = read_trusted_file(ignored ? file : absolute.string(), config_bytes_max, outside);
  if (content) return content;
  auto error = located_at(ignored ? file : absolute.string(), content.error());
  error.where = file;
  return error;
}

Surroundings surroundings(WallTime now, const FileOpener& outside) {
  Surroundings around = this_machine(now);
  around.check_file = check_trusted_file;
  around.read_file = [outside](const std::string& path, std::size_t bytes_max) {
    return read_trusted_file(path, bytes_max, outside);
  };
  around.look_at_program = [outside](const std::string& path) { return look_at_program(path, outside); };
  around.others_read = [](const std::string& path) {
    struct stat status {};
    if (stat(path.c_str(), &status) != 0) return false;
    // root's, for the group of the service: 0640.
    const auto others = status.st_uid == 0 ? 0004U : 0044U;
    return (status.st_mode & others) != 0;
  };
  return around;
}

Tree open_tree(std::string_view yaml, Problems& problems, std::span<const Key> table,
               std::string_view begin) {
  auto document = read_document(yaml);
  if (!document) {
    problems.add(document.error());
    return {};
  }
  for (const Problem& problem : (*document)->problems) problems.add(problem);
  const Node* root = (*document)->root;
  if (root == nullptr || root->type == Node::Type::empty) {
    problems.add(Position{}, "the file is empty", std::string{begin});
    return {};
  }
  if (root->type != Node::Type::map) {
    problems.add(root->at, "the file is not a map of keys", "Begin with `version: 1`.");
    return {};
  }
  refuse_literal_secrets(*root, problems);
  check_against_table(*root, problems, table);
  read_version(*root, problems);
  return {std::move(*document), root};
}

}  // namespace sallyport::config
