#include "secrets/words.h"

namespace sallyport::secrets {

namespace {

/// Reads `text` character by character and says for each whether it is quoted, so that finding the end
/// and splitting cannot disagree.
class QuoteScanner {
 public:
  explicit QuoteScanner(std::string_view text) : text_(text) {}

  struct Character {
    char c = 0;
    std::size_t at = 0;
    bool quoted = false;
    bool opens = false;  ///< an opening quote: there is a word here even if it stays empty
  };

  /// False at the end. Closing quotes and the backslash of an escape are not reported.
  bool next(Character& out) {
    while (at_ < text_.size()) {
      const char c = text_[at_];
      if (quote_ != 0 && c == quote_) {
        quote_ = 0;
        ++at_;
        continue;
      }
      if (quote_ == 0 && (c == '\'' || c == '"')) {
        quote_ = c;
        opened_at_ = at_;
        out = {0, at_++, true, true};
        return true;
      }
      if (escapes_here(c)) {
        if (at_ + 1 == text_.size()) return dangling();
        out = {text_[at_ + 1], at_, true, false};
        at_ += 2;
        return true;
      }
      out = {c, at_++, quote_ != 0, false};
      return true;
    }
    return false;
  }

  [[nodiscard]] bool unfinished() const { return quote_ != 0 || dangling_; }
  [[nodiscard]] std::size_t unfinished_at() const { return dangling_ ? text_.size() - 1 : opened_at_; }

 private:
  [[nodiscard]] bool escapes_here(char c) const {
    if (c != '\\' || quote_ == '\'') return false;
    if (quote_ == 0) return true;
    return at_ + 1 < text_.size() && (text_[at_ + 1] == '"' || text_[at_ + 1] == '\\');
  }

  bool dangling() {
    dangling_ = true;
    at_ = text_.size();
    return false;
  }

  std::string_view text_;
  std::size_t at_ = 0;
  std::size_t opened_at_ = 0;
  char quote_ = 0;
  bool dangling_ = false;
};

}  // namespace

std::size_t end_of_words(std::string_view text) {
  QuoteScanner scanner(text);
  for (QuoteScanner::Character c; scanner.next(c);) {
    if (!c.quoted && (c.c == '#' || c.c == '?')) return c.at;
  }
  return text.size();
}

std::vector<std::string> split_words(std::string_view text, WordsError& error) {
  std::vector<std::string> words;
  bool inside = false;
  QuoteScanner scanner(text);
  for (QuoteScanner::Character c; scanner.next(c);) {
    if (!c.quoted && c.c == ' ') {
      inside = false;
      continue;
    }
    const bool first = !inside;
    if (first) {
      if (words.size() == exec_words_max) {
        error = {c.at, "more than 64 words"};
        return words;
      }
      words.emplace_back();
      inside = true;
    }
    if (c.opens) continue;
    const bool acts =
        std::string_view("|;&<>$`*").find(c.c) != std::string_view::npos || (first && c.c == '~');
    if (!c.quoted && acts) {
      error = {c.at, "there is no shell to act on this character; quote it to mean the character itself"};
      return words;
    }
    words.back().push_back(c.c);
  }
  if (scanner.unfinished())
    error = {scanner.unfinished_at(), "a quote or backslash that nothing ends"};
  else if (words.empty())
    error = {0, "no program is named"};
  return words;
}

}  // namespace sallyport::secrets
