// yaml-cpp reports by exceptions; they are caught here and go no further.
#include "config/document.h"

#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/parser.h>

#include <map>
#include <optional>
#include <sstream>

namespace sallyport::config {
namespace {

/// Thrown by the builder through yaml-cpp, caught in read_document.
struct Abandoned {
  Problem problem;
};

Position position_of(const YAML::Mark& mark) { return {mark.line + 1, mark.column + 1}; }

class Builder final : public YAML::EventHandler {
 public:
  Builder(Document& document, std::string_view source) : document_(document), source_(source) {}

  void OnDocumentStart(const YAML::Mark& mark) override {
    if (document_.root != nullptr) {
      abandon(mark, "a second YAML document begins here",
              "Keep one document: remove `---`, and check that this line is indented as those above it.");
    }
  }
  void OnDocumentEnd() override {}

  void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    finish(add(Node::Type::empty, mark, anchor));
  }

  void OnAlias(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    const auto found = anchors_.find(anchor);
    if (found == anchors_.end() || !found->second->complete) {
      abandon(mark, "an alias stands inside what it names", "Write the value out.");
    }
    count(found->second->weight, mark);
    finish(*found->second);
  }

  void OnScalar(const YAML::Mark& mark, const std::string&, YAML::anchor_t anchor,
                const std::string& value) override {
    if (value.size() > scalar_bytes_max) {
      abandon(mark, "a value is longer than " + std::to_string(scalar_bytes_max) + " bytes", "Shorten it.");
    }
    Node& node = add(Node::Type::scalar, mark, anchor);
    node.text = value;
    locate(node, mark);
    finish(node);
  }

  void OnSequenceStart(const YAML::Mark& mark, const std::string&, YAML::anchor_t anchor,
                       YAML::EmitterStyle::value) override {
    open(Node::Type::list, mark, anchor);
  }
  void OnSequenceEnd() override { close(); }

  void OnMapStart(const YAML::Mark& mark, const std::string&, YAML::anchor_t anchor,
                  YAML::EmitterStyle::value) override {
    open(Node::Type::map, mark, anchor);
  }
  void OnMapEnd() override { close(); }

 private:
  struct Open {
    Node* node;
    const Node* key = nullptr;  ///< of a map: read, its value not yet
  };

  [[noreturn]] static void abandon(const YAML::Mark& mark, std::string what, std::string hint) {
    throw Abandoned{{position_of(mark), std::move(what), std::move(hint)}};
  }

  void count(std::size_t nodes, const YAML::Mark& mark) {
    counted_ += nodes;
    if (counted_ > nodes_max) {
      abandon(mark,
              "more than " + std::to_string(nodes_max) + " values, aliases counted as what they stand for",
              "A configuration needs far fewer; check what generated this file.");
    }
  }

  Node& add(Node::Type type, const YAML::Mark& mark, YAML::anchor_t anchor) {
    count(1, mark);
    Node& node = document_.nodes.emplace_back();
    node.type = type;
    node.at = position_of(mark);
    if (anchor != 0) anchors_[anchor] = &node;
    return node;
  }

  /// Where the scalar's own first character stands, when what follows is the value byte by byte.
  void locate(Node& node, const YAML::Mark& mark) const {
    std::size_t start = static_cast<std::size_t>(mark.pos);
    node.text_at = node.at;
    if (start < source_.size() && (source_[start] == '"' || source_[start] == '\'')) {
      ++start;
      ++node.text_at.column;
    }
    node.verbatim = source_.substr(std::min(start, source_.size())).starts_with(node.text);
    if (!node.verbatim) node.text_at = node.at;
  }

  void open(Node::Type type, const YAML::Mark& mark, YAML::anchor_t anchor) {
    if (open_.size() >= static_cast<std::size_t>(depth_max)) {
      abandon(mark, "nested deeper than " + std::to_string(depth_max) + " levels",
              "No key stands that deep; check the brackets and the indentation.");
    }
    Node& node = add(type, mark, anchor);
    node.complete = false;
    open_.push_back({&node});
  }

  void close() {
    Node& node = *open_.back().node;
    open_.pop_back();
    node.complete = true;
    finish(node);
  }

  /// Hands a complete node to the map or list that it stands in.
  void finish(const Node& node) {
    if (open_.empty()) {
      document_.root = &node;
      return;
    }
    Open& parent = open_.back();
    parent.node->weight += node.weight;
    if (parent.node->type == Node::Type::list) {
      parent.node->items.push_back(&node);
    } else if (parent.key == nullptr) {
      parent.key = &node;
    } else {
      add_entry(*parent.node, *std::exchange(parent.key, nullptr), node);
    }
  }

  void add_entry(Node& map, const Node& key, const Node& value) {
    if (key.type != Node::Type::scalar) {
      document_.problems.push_back({key.at, "a key is not a plain word", "Write `key: value`."});
      return;
    }
    if (key.text == "<<") {
      document_.problems.push_back(
          {key.at, "merge keys (`<<`) are not read here",
           "Write the keys out, or give the whole map by an alias: `tls: *common`."});
      return;
    }
    auto& seen = keys_[&map];
    const auto [first, fresh] = seen.emplace(key.text, key.at);
    if (!fresh) {
      document_.problems.push_back({key.at,
                                    "the key " + in_backquotes(key.text) + " stands twice; first at line " +
                                        std::to_string(first->second.line),
                                    "Keep one of them."});
      return;
    }
    map.entries.push_back({key.at, key.text, &value});
  }

  Document& document_;
  std::string_view source_;
  std::vector<Open> open_;
  std::map<YAML::anchor_t, Node*> anchors_;
  std::map<const Node*, std::map<std::string, Position>> keys_;
  std::size_t counted_ = 0;
};

/// The length of the UTF-8 character at the front of `text`, or 0 when there is none.
std::size_t utf8_character(std::string_view text) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned char lead = byte(0);
  if (lead < 0x80) return 1;
  const std::size_t size = lead >= 0xF0 ? 4 : lead >= 0xE0 ? 3 : 2;
  if (lead < 0xC2 || lead > 0xF4 || text.size() < size) return 0;
  for (std::size_t i = 1; i < size; ++i) {
    if ((byte(i) & 0xC0) != 0x80) return 0;
  }
  if (lead == 0xE0 && byte(1) < 0xA0) return 0;  // overlong
  if (lead == 0xED && byte(1) > 0x9F) return 0;  // surrogate
  if ((lead == 0xF0 && byte(1) < 0x90) || (lead == 0xF4 && byte(1) > 0x8F)) return 0;
  return size;
}

/// Only text reaches the YAML parser: its own handling of other encodings is not worth trusting.
std::optional<Problem> find_bad_byte(std::string_view text) {
  Position at;
  while (!text.empty()) {
    const std::size_t size = utf8_character(text);
    const auto byte = static_cast<unsigned char>(text.front());
    if (size == 0) return Problem{at, "a byte that is not UTF-8", "Save the file as UTF-8."};
    if ((byte < 0x20 && byte != '\n' && byte != '\r' && byte != '\t') || byte == 0x7F) {
      return Problem{at, "a control character", "Remove it; this is a text file."};
    }
    if (byte == '\n') {
      at = {at.line + 1, 1};
    } else {
      at.column += static_cast<int>(size);
    }
    text.remove_prefix(size);
  }
  return std::nullopt;
}

/// yaml-cpp's own texts are fixed phrases, some with a piece of the input behind a colon: that is cut.
Problem problem_of(const YAML::Exception& error) {
  std::string phrase = error.msg.substr(0, error.msg.find(':'));
  std::string hint = "Check quotes, brackets and indentation here and on the line above.";
  if (phrase == "the referenced anchor is not defined") {
    hint = "A value that begins with `*` needs quotes.";
  } else if (phrase == "unknown token") {
    hint = "A value that begins with one of @ ` % needs quotes.";
  } else if (phrase == "illegal map value") {
    hint = "Check the indentation; a value with a colon and a space in it needs quotes.";
  } else if (phrase.find("tab") != std::string::npos) {
    hint = "Indent with spaces.";
  }
  const Position at = error.mark.is_null() ? Position{} : position_of(error.mark);
  return {at, "this is not YAML: " + phrase, std::move(hint)};
}

}  // namespace

const Entry* Node::find(std::string_view key) const {
  for (const Entry& entry : entries) {
    if (entry.key == key) return &entry;
  }
  return nullptr;
}

boost::system::result<std::unique_ptr<Document>, Problem> read_document(std::string_view yaml) {
  if (yaml.size() > config_bytes_max) {
    return Problem{{},
                   "the file is larger than " + std::to_string(config_bytes_max) + " bytes",
                   "A configuration is a few kilobytes; check that this is the right file."};
  }
  if (yaml.starts_with("\xEF\xBB\xBF")) yaml.remove_prefix(3);  // yaml-cpp counts without it
  if (auto bad = find_bad_byte(yaml)) return *std::move(bad);
  auto document = std::make_unique<Document>();
  Builder builder(*document, yaml);
  try {
    std::istringstream input{std::string{yaml}};
    YAML::Parser parser(input);
    while (parser.HandleNextDocument(builder)) {}
  } catch (const Abandoned& abandoned) {
    return abandoned.problem;
  } catch (const YAML::Exception& error) {
    return problem_of(error);
  }
  return document;
}

std::string in_backquotes(std::string_view text) {
  constexpr std::size_t shown_bytes_max = 60;
  std::string out = "`";
  for (std::size_t i = 0; i < text.size();) {
    const std::size_t size = utf8_character(text.substr(i));
    if (out.size() > shown_bytes_max) {
      out += "…";
      break;
    }
    // Only printable ASCII: a terminal must not obey what a file says (C1 controls, changes of direction).
    const bool shown = size == 1 && text[i] >= ' ' && text[i] <= '~' && text[i] != '`';
    out += shown ? text[i] : '?';
    i += std::max<std::size_t>(size, 1);
  }
  return out + "`";
}

}  // namespace sallyport::config
