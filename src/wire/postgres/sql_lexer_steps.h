// SqlLexer's way from byte to byte; sql_lexer.h includes it, nobody else should.
#pragma once

#include "wire/postgres/sql_lexer.h"

#include <utility>

namespace sallyport::postgres {

template <class Sink>
void SqlLexer::step(std::uint8_t byte, Sink& sink) {
  switch (state_) {
    case State::code: return in_code(byte, sink);
    case State::word: return number_ ? in_number(byte, sink) : in_plain_word(byte, sink);
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
void SqlLexer::in_plain_word(std::uint8_t byte, Sink& sink) {
  if (in_word(byte)) return keep(lower(byte));
  end_word(byte, sink);
}

// Up to PostgreSQL 14 a word may follow a number without a space: SELECT 1INTO t, SELECT 1e5INTO t, SELECT 1.INTO t.
template <class Sink>
void SqlLexer::in_number(std::uint8_t byte, Sink& sink) {
  const auto last = size_ == 0 ? '\0' : kept_[size_ - 1];
  const bool after_digit = is_digit(static_cast<std::uint8_t>(last)) || last == '.';
  if (is_digit(byte) || (byte == '.' && after_digit)) return keep(byte);
  if (byte == '$' && !after_digit) {
    number_ = false;  // 1e$b is a number and a name
    return keep(byte);
  }
  if (!starts_word(byte)) return end_word(byte, sink);
  if (after_digit) {
    sink.on_word(kept(), false);
    size_ = 0;
    number_ = lower(byte) == 'e';  // of an exponent, or of a word
  } else {
    number_ = false;  // it was a word
  }
  keep(lower(byte));
}

template <class Sink>
void SqlLexer::in_code(std::uint8_t byte, Sink& sink) {
  size_ = 0;
  const bool unicode = std::exchange(unicode_, byte == '"' && unicode_);
  if (is_space(byte)) {
    if (is_newline(byte) && behind_ == Behind::escaped_text) behind_ = Behind::its_line;
    return;
  }
  const bool goes_on = behind_ == Behind::its_line;
  if (byte != '-') behind_ = Behind::other;  // of a comment, perhaps
  if (starts_word(byte)) {
    state_ = State::word;
    number_ = is_digit(byte);
    return keep(lower(byte));
  }
  switch (byte) {
    case 0: over_ = true; return;
    case '"':
      if (texts_in_code_ > 1) sink.on_hidden_word();
      state_ = State::quoted_word;
      return;
    case '\'':
      if (sink.texts_are_code()) {
        texts_in_code_ = 2;
        return;
      }
      knows_text_ = !unicode && !goes_on;
      escapes_ = backslashes_ || goes_on;
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
    escapes_ = knows_text_ = true;
    state_ = State::text;
    return;
  }
  state_ = State::code;
  const bool unicode = byte == '&' && kept() == "u";
  sink.on_word(kept(), false);
  step(byte, sink);
  unicode_ = unicode;
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
        keep(byte, text_bytes_max);
        knows_text_ = false;  // what it stands for is not read
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
  if (!word) {
    knows_text_ = knows_text_ && size_ < text_bytes_max;
    sink.on_text(kept());
    if (escapes_ && !backslashes_) behind_ = Behind::escaped_text;
  } else if (std::exchange(unicode_, false)) {
    sink.on_hidden_word();
  } else {
    sink.on_word(kept(), true);
  }
  step(byte, sink);
}

template <class Sink>
void SqlLexer::in_comment(std::uint8_t byte, Sink& sink) {
  switch (state_) {
    case State::dash:
      if (byte == '-') {
        if (texts_in_code_ > 1) sink.on_hidden_word();
        state_ = State::line_comment;
        return;
      }
      break;
    case State::slash:
      if (byte == '*') {
        if (texts_in_code_ > 1) sink.on_hidden_word();
        depth_ = 1;
        state_ = State::block_comment;
        return;
      }
      break;
    case State::line_comment:
      over_ = byte == 0;
      if (!is_newline(byte)) return;
      state_ = State::code;
      if (behind_ == Behind::escaped_text) behind_ = Behind::its_line;
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
  behind_ = Behind::other;
  state_ = State::code;
  sink.on_symbol(symbol);
  step(byte, sink);
}

template <class Sink>
void SqlLexer::in_dollars(std::uint8_t byte, Sink& sink) {
  if (state_ == State::dollar_tag) {
    const bool digit = is_digit(byte);
    if (byte == '$' && size_ < word_bytes_max) {
      matched_ = 0;
      state_ = sink.texts_are_code() ? State::code : State::dollar_text;
      // The first is the block's own. In another text what looks like a comment is none.
      if (sink.texts_are_code() && texts_in_code_ < 2) ++texts_in_code_;
    } else if (starts_word(byte) && !(digit && size_ == 0)) {
      keep(byte);
    } else {
      // $1, or a sign alone; or a tag that is too long for us.
      if (size_ >= word_bytes_max) sink.on_hidden_word();
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
    knows_text_ = false;
    sink.on_text({});
  } else if (matched_ > 0 && matched_ <= size_ && byte == static_cast<std::uint8_t>(kept_[matched_ - 1])) {
    ++matched_;
  } else {
    matched_ = byte == '$' ? 1 : 0;
  }
}

}  // namespace sallyport::postgres
