#include "secrets/aws/xml.h"

#include <algorithm>
#include <array>

namespace sallyport::secrets::aws {

namespace {

constexpr std::string_view blank = " \t\r\n";

bool is_name(std::string_view name) {
  return !name.empty() && std::all_of(name.begin(), name.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '_' || c == '.' || c == ':';
  });
}

struct Tag {
  std::string_view name;
  bool closes = false;  ///< </name>
  bool empty = false;   ///< <name/>
};

/// Takes one tag, quoted attributes and all, off the front of `rest`, which begins with '<'.
std::optional<Tag> take_tag(std::string_view& rest) {
  std::size_t end = 1;
  for (char quote = 0; end < rest.size() && (quote != 0 || rest[end] != '>'); ++end) {
    const char c = rest[end];
    if (quote != 0) {
      if (c == quote) quote = 0;
    } else if (c == '"' || c == '\'') {
      quote = c;
    } else if (c == '<') {
      return std::nullopt;
    }
  }
  if (end >= rest.size()) return std::nullopt;
  auto inside = rest.substr(1, end - 1);
  rest.remove_prefix(end + 1);
  Tag tag;
  if (inside.starts_with('/')) {
    tag.closes = true;
    inside.remove_prefix(1);
  } else if (inside.ends_with('/')) {
    tag.empty = true;
    inside.remove_suffix(1);
  }
  tag.name = inside.substr(0, inside.find_first_of(blank));
  if (!is_name(tag.name)) return std::nullopt;
  return tag;
}

void skip_declaration(std::string_view& rest) {
  const auto start = rest.find_first_not_of(blank);
  if (start == std::string_view::npos || !rest.substr(start).starts_with("<?xml")) return;
  const auto end = rest.find("?>");
  if (end != std::string_view::npos) rest.remove_prefix(end + 2);
}

class Walk {
 public:
  Walk(std::initializer_list<std::string_view> path) : path_(path) {}

  /// False: no such XML.
  bool all(std::string_view rest) {
    skip_declaration(rest);
    while (true) {
      const auto text = rest.substr(0, rest.find('<'));
      if (!on_text(text)) return false;
      rest.remove_prefix(text.size());
      if (rest.empty()) return depth_ == 0 && root_seen_;
      const auto tag = take_tag(rest);
      if (!tag || !on_tag(*tag)) return false;
    }
  }

  [[nodiscard]] std::optional<std::string_view> found() const { return found_; }

 private:
  bool on_text(std::string_view text) {
    if (depth_ == 0) return text.find_first_not_of(blank) == std::string_view::npos;
    if (matched_ == path_.size() && depth_ == path_.size()) text_ = text;
    return true;
  }

  bool on_tag(const Tag& tag) {
    if (tag.closes) return close(tag.name);
    if (depth_ == 0 && root_seen_) return false;
    root_seen_ = true;
    if (depth_ == open_.size()) return false;
    // A child: what is open is no text.
    if (matched_ == path_.size() && depth_ == path_.size()) only_text_ = false;
    open_[depth_++] = tag.name;
    if (matched_ + 1 == depth_ && matched_ < path_.size() && path_.begin()[matched_] == tag.name) {
      ++matched_;
      only_text_ = true;
      text_ = {};
    }
    return tag.empty ? close(tag.name) : true;
  }

  bool close(std::string_view name) {
    if (depth_ == 0 || open_[depth_ - 1] != name) return false;
    const bool here = matched_ == path_.size() && depth_ == path_.size();
    if (here && only_text_ && !found_ && text_.find('&') == std::string_view::npos) found_ = text_;
    --depth_;
    matched_ = std::min(matched_, depth_);
    return true;
  }

  std::initializer_list<std::string_view> path_;
  std::array<std::string_view, xml_depth_max> open_{};
  std::size_t depth_ = 0;
  std::size_t matched_ = 0;  ///< how many of the open elements are the path's
  bool root_seen_ = false;
  bool only_text_ = false;
  std::string_view text_;
  std::optional<std::string_view> found_;
};

}  // namespace

std::optional<std::string_view> xml_text(std::string_view document,
                                         std::initializer_list<std::string_view> path) {
  if (path.size() == 0 || path.size() > xml_depth_max) return std::nullopt;
  Walk walk{path};
  if (!walk.all(document)) return std::nullopt;
  return walk.found();
}

}  // namespace sallyport::secrets::aws
