// Splits SQL text into words, texts and symbols, as PostgreSQL's scanner does, while it passes in pieces.
//
// Only what separates code from what is not code is told apart exactly: comments (nested ones too), '…' and E'…',
// "…", $tag$…$tag$. Numbers, operators and parameters are words and symbols like any other.
//
// Source  PostgreSQL manual, "Lexical Structure"; scan.l.
#pragma once

#include "base/bytes.h"

#include <array>
#include <cstdint>
#include <string_view>

namespace sallyport::postgres {

/// A sink has
///
///   void on_word(std::string_view word, bool quoted);  in lower case unless quoted; cut at word_bytes_max
///   void on_text(std::string_view begin);              a string constant's first text_bytes_max bytes, escapes unread
///   void on_symbol(char symbol);                       anything else, byte by byte, without white space
///   bool texts_are_code() const;                       string constants and dollar quotes are read like code
class SqlLexer {
 public:
  /// PostgreSQL's names have 63 bytes.
  static constexpr std::size_t word_bytes_max = 128;
  static constexpr std::size_t text_bytes_max = 64;

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

  static bool starts_word(std::uint8_t byte) {
    return (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') || byte == '_' || byte >= 0x80 ||
           (byte >= '0' && byte <= '9');
  }
  static bool in_word(std::uint8_t byte) { return starts_word(byte) || byte == '$'; }
  static bool is_space(std::uint8_t byte) { return byte == ' ' || (byte >= '\t' && byte <= '\r'); }
  void keep(std::uint8_t byte, std::size_t limit = word_bytes_max) {
    if (size_ < limit) kept_[size_++] = static_cast<char>(byte);
  }
  [[nodiscard]] std::string_view kept() const { return {kept_.data(), size_}; }

  template <class Sink>
  void step(std::uint8_t byte, Sink& sink);
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
  bool backslashes_ = false;
  bool escapes_ = false;  // in this string constant
  std::uint8_t size_ = 0;
  std::uint8_t matched_ = 0;  // of the tag that ends a dollar quote
  std::uint32_t depth_ = 0;   // of nested comments
  std::array<char, word_bytes_max> kept_{};
};

// ---- Implementation ---------------------------------------------------------------------------

template <class Sink>
void SqlLexer::step(std::uint8_t byte, Sink& sink) {
  switch (state_) {
    case State::code: return in_code(byte, sink);
    case State::word:
      if (in_word(byte)) return keep(byte >= 'A' && byte <= 'Z' ? byte + ('a' - 'A') : byte);
      return end_word(byte, sink);
    case State::quoted_word:
    case State::quoted_word_end:
    case State::text:
    case State::text_escape:
    case State::text_end: return in_text(byte, sink);
    case State::dash:
    case State::line_comment:
    case State::slash:
    case State::block_comment:
    case State::block_comment_star:
    case State::block_comment_slash: return in_comment(byte, sink);
    case State::dollar_tag:
    case State::dollar_text: return in_dollars(byte, sink);
  }
}

template <class Sink>
void SqlLexer::in_code(std::uint8_t byte, Sink& sink) {
  size_ = 0;
  if (starts_word(byte)) {
    state_ = State::word;
    return keep(byte >= 'A' && byte <= 'Z' ? byte + ('a' - 'A') : byte);
  }
  if (is_space(byte)) return;
  switch (byte) {
    case 0: over_ = true; return;
    case '"': state_ = State::quoted_word; return;
    case '\'':
      if (sink.texts_are_code()) return;
      escapes_ = backslashes_;
      state_ = State::text;
      return;
    case '-': state_ = State::dash; return;
    case '/': state_ = State::slash; return;
    case '$': state_ = State::dollar_tag; return;
    default: sink.on_symbol(static_cast<char>(byte));
  }
}

// A word E right in front of a quote makes its backslashes escape; N, B, X and U& only change what the constant means.
template <class Sink>
void SqlLexer::end_word(std::uint8_t byte, Sink& sink) {
  if (byte == '\'' && kept() == "e" && !sink.texts_are_code()) {
    size_ = 0;
    escapes_ = true;
    state_ = State::text;
    return;
  }
  state_ = State::code;
  sink.on_word(kept(), false);
  step(byte, sink);
}

template <class Sink>
void SqlLexer::in_text(std::uint8_t byte, Sink& sink) {
  const bool word = state_ == State::quoted_word || state_ == State::quoted_word_end;
  const std::uint8_t quote = word ? '"' : '\'';
  switch (state_) {
    case State::quoted_word:
    case State::text:
      if (byte == 0) {
        over_ = true;  // never closed: the server will refuse it
      } else if (byte == quote) {
        state_ = word ? State::quoted_word_end : State::text_end;
      } else if (byte == '\\' && !word && escapes_) {
        keep(byte, text_bytes_max);  // what it stands for is not known here: no name has one
        state_ = State::text_escape;
      } else {
        keep(byte, word ? word_bytes_max : text_bytes_max);
      }
      return;
    case State::text_escape:
      if (byte == 0) over_ = true;
      state_ = State::text;
      return;
    default: break;
  }
  if (byte == quote) {
    keep(byte, word ? word_bytes_max : text_bytes_max);
    state_ = word ? State::quoted_word : State::text;
    return;
  }
  state_ = State::code;
  word ? sink.on_word(kept(), true) : sink.on_text(kept());
  step(byte, sink);
}

template <class Sink>
void SqlLexer::in_comment(std::uint8_t byte, Sink& sink) {
  switch (state_) {
    case State::dash:
      if (byte == '-') {
        state_ = State::line_comment;
        return;
      }
      break;
    case State::slash:
      if (byte == '*') {
        depth_ = 1;
        state_ = State::block_comment;
        return;
      }
      break;
    case State::line_comment:
      over_ = byte == 0;
      if (byte == '\n' || byte == '\r') state_ = State::code;
      return;
    case State::block_comment_star:
      if (byte == '/') {
        state_ = --depth_ == 0 ? State::code : State::block_comment;
        return;
      }
      state_ = State::block_comment;
      return step(byte, sink);
    case State::block_comment_slash:
      state_ = State::block_comment;
      if (byte != '*') return step(byte, sink);
      ++depth_;
      return;
    default:
      over_ = byte == 0;
      if (byte == '*') state_ = State::block_comment_star;
      if (byte == '/') state_ = State::block_comment_slash;
      return;
  }
  const char symbol = state_ == State::dash ? '-' : '/';
  state_ = State::code;
  sink.on_symbol(symbol);
  step(byte, sink);
}

template <class Sink>
void SqlLexer::in_dollars(std::uint8_t byte, Sink& sink) {
  if (state_ == State::dollar_tag) {
    const bool digit = byte >= '0' && byte <= '9';
    if (byte == '$' && size_ < word_bytes_max) {
      matched_ = 0;
      state_ = sink.texts_are_code() ? State::code : State::dollar_text;
    } else if (starts_word(byte) && !(digit && size_ == 0)) {
      keep(byte);
    } else {
      // $1, or a sign alone.
      state_ = State::code;
      sink.on_symbol('$');
      step(byte, sink);
    }
    return;
  }
  over_ = byte == 0;
  // The tag has no dollar in it: a mismatch begins anew at this byte or behind it.
  if (matched_ > size_ && byte == '$') {
    state_ = State::code;
    sink.on_text({});
  } else if (matched_ > 0 && matched_ <= size_ && byte == static_cast<std::uint8_t>(kept_[matched_ - 1])) {
    ++matched_;
  } else {
    matched_ = byte == '$' ? 1 : 0;
  }
}

}  // namespace sallyport::postgres
