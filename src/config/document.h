// A YAML text as a tree in which every node and key knows its line and column.
//
// yaml-cpp's own tree keeps neither duplicate keys nor bounds, so we take its events and build ours:
// duplicate keys are errors, and so are texts that are too large, too deep, or that grow by aliases.
#pragma once

#include "base/result.h"

#include <deque>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace sallyport::config {

/// A configuration text. A real one is a few kilobytes.
inline constexpr std::size_t config_bytes_max = 1'048'576;
/// Nesting. The deepest key of the table is at 6.
inline constexpr int depth_max = 16;
/// Nodes, with each alias counted as the whole of what it stands for.
inline constexpr std::size_t nodes_max = 50'000;
/// One scalar or key. A reference with attributes stays below.
inline constexpr std::size_t scalar_bytes_max = 4'096;

/// Both from 1; columns count bytes, as compilers do.
struct Position {
  int line = 1;
  int column = 1;
  // clang-tidy 14 takes the 0 that a defaulted <=> is compared with for a pointer.
  auto operator<=>(const Position&) const = default;  // NOLINT(modernize-use-nullptr)
};

struct Node;

struct Entry {
  Position at;  ///< of the key
  std::string key;
  const Node* value;
};

struct Node {
  enum class Type { empty, scalar, list, map };
  Type type = Type::empty;
  Position at;
  std::string text;       ///< scalar
  bool verbatim = false;  ///< the source holds `text` byte by byte at `text_at`
  Position text_at;
  std::vector<const Node*> items;  ///< list
  std::vector<Entry> entries;      ///< map
  std::size_t weight = 1;          ///< nodes below and this one, aliases expanded
  bool complete = true;            ///< false while its end has not been read
  mutable bool wrong = false;      ///< already reported: readers take the default and stay silent

  /// The entry with this key, or null.
  [[nodiscard]] const Entry* find(std::string_view key) const;
};

/// What is wrong with the text, where, and how to mend it.
struct Problem {
  Position at;
  std::string what;
  std::string hint;
};

struct Document {
  std::deque<Node> nodes;         ///< owns; addresses stay
  const Node* root = nullptr;     ///< null: an empty text
  std::vector<Problem> problems;  ///< duplicate keys and what else the tree survives
};

/// Errors  one Problem, when the text is no YAML or passes a limit. Never quotes the text: what cannot be
///         read may be a password that wanted quotes.
boost::system::result<std::unique_ptr<Document>, Problem> read_document(std::string_view yaml);

/// `text` fit for a message: control characters replaced, shortened to 60 bytes, in backquotes.
std::string in_backquotes(std::string_view text);

}  // namespace sallyport::config
