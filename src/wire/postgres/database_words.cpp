#include "wire/postgres/database_words.h"

#include "base/bytes.h"
#include "wire/postgres/sql_lexer.h"

#include <algorithm>

namespace sallyport::postgres {

namespace {

constexpr std::size_t looked_at_max = 4096;
/// The server cuts names there (NAMEDATALEN).
constexpr std::size_t name_bytes_max = 63;

class NeededWords {
 public:
  [[nodiscard]] bool is_over() const { return at_ == At::end; }
  /// At the text's end.
  std::string take() {
    if (at_ == At::options || at_ == At::copied)
      needed_ = "template1";  // what CREATE DATABASE copies by itself
    return needed_.substr(0, name_bytes_max);
  }

  // ---- told by the lexer ----
  void on_word(std::string_view word, bool quoted) {
    const auto is = [&](std::string_view keyword) { return !quoted && word == keyword; };
    switch (at_) {
      case At::verb:
        verb_ = is("drop") ? Verb::drop : is("create") ? Verb::create : Verb::alter;
        at_ = is("drop") || is("create") || is("alter") ? At::object : At::end;
        return;
      case At::object: at_ = is("database") ? At::name : At::end; return;
      case At::name:
        if (verb_ == Verb::drop && is("if")) return;
        if (verb_ == Verb::drop && is("exists")) return;
        return on_name(word);
      case At::action:
        if (is("set")) return;
        if (is("rename") || is("tablespace")) needed_ = name_;
        at_ = At::end;
        return;
      case At::options:
        if (is("template")) at_ = At::copied;
        return;
      case At::copied: return needs(is("default") ? "template1" : word);
      case At::end: return;
    }
  }
  void on_text(std::string_view begin) {
    if (at_ == At::copied) return needs(begin);
    if (at_ != At::options) at_ = At::end;
  }
  void on_hidden_word() { at_ = At::end; }
  void on_symbol(char symbol) {
    if (symbol == ';' && at_ == At::verb) return;
    if (symbol == ';' && (at_ == At::options || at_ == At::copied)) return needs("template1");
    if (symbol != '=' || (at_ != At::options && at_ != At::copied)) at_ = At::end;
  }
  [[nodiscard]] static bool texts_are_code() { return false; }

 private:
  enum class Verb { drop, create, alter };
  enum class At { verb, object, name, action, options, copied, end };

  void on_name(std::string_view name) {
    switch (verb_) {
      case Verb::drop: return needs(name);
      case Verb::create: at_ = At::options; return;
      case Verb::alter:
        name_ = name;
        at_ = At::action;
        return;
    }
  }
  void needs(std::string_view name) {
    needed_ = name;
    at_ = At::end;
  }

  At at_ = At::verb;
  Verb verb_ = Verb::drop;
  std::string name_, needed_;
};

/// ALTER ROLE | USER | DATABASE name …, up to SET or RESET; `several`: in any of the text's statements.
class DefaultsWords {
 public:
  explicit DefaultsWords(bool several) : several_(several) {}
  [[nodiscard]] bool is_over() const { return at_ == At::end; }
  [[nodiscard]] bool found() const { return found_; }

  // ---- told by the lexer ----
  void on_word(std::string_view word, bool quoted) {
    const auto is = [&](std::string_view keyword) { return !quoted && word == keyword; };
    switch (at_) {
      case At::verb: return go_on(is("alter"), At::object);
      case At::object: return go_on(is("role") || is("user") || is("database"), At::name);
      case At::name: at_ = At::rest; return;
      case At::rest:
        found_ = is("set") || is("reset");
        if (found_) at_ = At::end;
        return;
      case At::other:
      case At::end: return;
    }
  }
  void on_text(std::string_view) {}
  void on_hidden_word() {}
  void on_symbol(char symbol) {
    if (symbol == ';' && at_ != At::verb) at_ = several_ ? At::verb : At::end;
  }
  [[nodiscard]] static bool texts_are_code() { return false; }

 private:
  enum class At { verb, object, name, rest, other, end } at_ = At::verb;

  void go_on(bool as_expected, At next) { at_ = as_expected ? next : several_ ? At::other : At::end; }

  bool several_;
  bool found_ = false;
};

/// Most texts begin with another letter.
bool may_begin(char first) {
  return std::string_view{"dDcCaA/-; \t\r\n\f\v"}.find(first) != std::string_view::npos;
}

template <class Reader>
void read(std::string_view sql, Reader& words) {
  read_sql(sql.substr(0, std::min(looked_at_max, sql.find('\0'))), words);
}

}  // namespace

std::string database_needed_alone(std::string_view sql) {
  if (sql.empty() || !may_begin(sql.front())) return {};
  NeededWords words;
  read(sql, words);
  return words.take();
}

bool alters_defaults(std::string_view sql) {
  const auto first_end = sql.find(';');
  const bool several = first_end != std::string_view::npos &&
                       sql.find_first_not_of("; \t\r\n\f\v", first_end) < sql.find('\0');
  if (sql.empty() || (!several && !may_begin(sql.front()))) return false;
  DefaultsWords words{several};
  read(sql, words);
  return words.found();
}

void note_database_needed(std::string& known, std::string_view sql) {
  if (auto needed = database_needed_alone(sql); !needed.empty()) known = std::move(needed);
}

}  // namespace sallyport::postgres
