// Splits SQL text into words, texts and symbols, as PostgreSQL's scanner does, while it passes in pieces.
//
// Only what separates code from what is not code is told apart exactly: comments (nested ones too), '…' and E'…',
// "…", $tag$…$tag$. Numbers, operators and parameters are words and symbols like any other.
//
// Source  PostgreSQL manual, "Lexical Structure"; scan.l.
#pragma once

#include "base/ascii.h"
#include "base/bytes.h"

#include <array>
#include <cstdint>
#include <string_view>

namespace sallyport::postgres {

/// A sink has
///
///   void on_word(std::string_view word, bool quoted);  in lower case unless quoted; cut at word_bytes_max
///   void on_hidden_word();                             U&"…", whose escapes are not read: it may be any name; and where
///                                                      what is code can no longer be told
///   void on_text(std::string_view begin);              a string constant's first text_bytes_max bytes, escapes unread
///   void on_symbol(char symbol);                       anything else, byte by byte, without white space
///   bool texts_are_code() const;                       string constants and dollar quotes are read like code
class SqlLexer {
 public:
  /// PostgreSQL's names have 63 bytes.
  static constexpr std::size_t word_bytes_max = 128;
  static constexpr std::size_t text_bytes_max = 128;

  /// Another text begins. `backslashes`: they escape in plain string constants too (standard_conforming_strings off).
  void start(bool backslashes = false) {
    *this = SqlLexer{};
    backslashes_ = backslashes;
  }

  /// The next bytes of it. It ends at its zero byte: what follows is not looked at.
  template <class Sink>
  void look_at(Bytes piece, Sink& sink) {
    for (const auto byte : piece) {
      if (over_) return;
      step(byte, sink);
    }
  }
  /// The text has ended, or is taken as ended here.
  template <class Sink>
  void finish(Sink& sink) {
    if (!over_) step(0, sink);
  }
  [[nodiscard]] bool is_over() const { return over_; }
  /// In on_text: it is the whole constant, as it is meant. Not one in dollars, with escapes, or that was cut.
  [[nodiscard]] bool knows_text() const { return knows_text_; }

 private:
  enum class State : std::uint8_t {
    code,
    word,
    quoted_word,
    quoted_word_end,  // a second quote goes on
    text,
    text_escape,
    text_end,
    dash,
    line_comment,
    slash,
    block_comment,
    block_comment_star,
    block_comment_slash,
    dollar_tag,
    dollar_text,
  };

  static bool is_digit(std::uint8_t byte) { return byte >= '0' && byte <= '9'; }
  static std::uint8_t lower(std::uint8_t byte) {
    return static_cast<std::uint8_t>(to_lower(static_cast<char>(byte)));
  }
  static bool starts_word(std::uint8_t byte) {
    return (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') || byte == '_' || byte >= 0x80 ||
           is_digit(byte);
  }
  static bool in_word(std::uint8_t byte) { return starts_word(byte) || byte == '$'; }
  static bool is_newline(std::uint8_t byte) { return byte == '\n' || byte == '\r'; }
  static bool is_space(std::uint8_t byte) { return byte == ' ' || (byte >= '\t' && byte <= '\r'); }
  void keep(std::uint8_t byte, std::size_t limit = word_bytes_max) {
    if (size_ < limit) kept_[size_++] = static_cast<char>(byte);
  }
  [[nodiscard]] std::string_view kept() const { return {kept_.data(), size_}; }

  template <class Sink>
  void step(std::uint8_t byte, Sink& sink);
  template <class Sink>
  void in_plain_word(std::uint8_t byte, Sink& sink);
  template <class Sink>
  void in_number(std::uint8_t byte, Sink& sink);
  template <class Sink>
  void in_code(std::uint8_t byte, Sink& sink);
  template <class Sink>
  void in_text(std::uint8_t byte, Sink& sink);
  template <class Sink>
  void in_comment(std::uint8_t byte, Sink& sink);
  template <class Sink>
  void in_dollars(std::uint8_t byte, Sink& sink);
  template <class Sink>
  void end_word(std::uint8_t byte, Sink& sink);

  State state_ = State::code;
  bool over_ = false;
  bool number_ = false;  // the word is one, so far
  bool backslashes_ = false;
  bool escapes_ = false;  // in this string constant
  // Behind E'…' the constant goes on at a quote, if nothing but white space with an end of line (and comments up to one)
  // stands between.
  enum class Behind : std::uint8_t { other, escaped_text, its_line } behind_ = Behind::other;
  bool knows_text_ = true;
  std::uint8_t texts_in_code_ =
      0;  // of texts that are code: 1: the block's own; 2: more, and where they end is not told
  bool unicode_ = false;  // a word U and an ampersand stand in front; in a quoted word: they stood there
  std::uint8_t size_ = 0;
  std::uint8_t matched_ = 0;  // of the tag that ends a dollar quote
  std::uint32_t depth_ = 0;   // of nested comments
  std::array<char, word_bytes_max> kept_{};
};

}  // namespace sallyport::postgres

#include "wire/postgres/sql_lexer_steps.h"  // templates

namespace sallyport::postgres {

/// A whole text, or as much of it as the sink wants: up to sink.is_over().
template <class Sink>
void read_sql(std::string_view sql, Sink& sink) {
  SqlLexer lexer;
  lexer.start();
  for (const auto byte : as_bytes(sql)) {
    if (sink.is_over()) return;
    lexer.look_at(Bytes{&byte, 1}, sink);
  }
  if (!sink.is_over()) lexer.finish(sink);
}

}  // namespace sallyport::postgres
