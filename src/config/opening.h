// What every file of ours goes through before its keys are read: who may have written it, whether it is YAML, literal
// secrets first, then the table of keys; and what of the machine reading asks for.
#pragma once

#include "config/keys.h"
#include "config/reader.h"

#include <memory>

namespace sallyport::config {

struct Tree {
  std::unique_ptr<Document> document;
  const Node* root = nullptr;  ///< null: nothing can be read of it, which was reported
};

/// The tree of a text, checked against `table`, its `version` too. `begin`: what to write into an empty file.
Tree open_tree(std::string_view yaml, Problems& problems, std::span<const Key> table, std::string_view begin);

/// FILE's text, after checking who may write it (threat 14).
/// Errors  bad_config: `where` is FILE.
Result<std::string> content_of(const std::string& file, const FileOpener& outside);

/// Accounts only: files that are named are not looked at.
Surroundings this_machine(WallTime now);

/// Files, too.
Surroundings surroundings(WallTime now, const FileOpener& outside);

}  // namespace sallyport::config
