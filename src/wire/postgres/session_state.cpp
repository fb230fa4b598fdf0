#include "wire/postgres/session_state.h"

#include "base/ascii.h"

#include <utility>

namespace sallyport::postgres {

namespace {

bool is_temporary(std::string_view word) { return word == "temp" || word == "temporary"; }

/// What may draw a value from a sequence, in whatever statement.
bool may_draw_value(std::string_view word) {
  return word == "insert" || word == "nextval" || word == "merge" || word == "copy" || word == "call" ||
         word == "execute" || word == "do";
}

/// A statement about the transaction or the session alone.
bool is_control(std::string_view word) {
  return word == "begin" || word == "start" || word == "set" || word == "show" || word == "reset" ||
         word == "savepoint" || word == "release" || word == "rollback" || word == "commit" || word == "end";
}

}  // namespace

// They are reported, and yet no parameter that can be set again for the next session.
bool StateScanner::is_of_role(std::string_view name) {
  return name == "session_authorization" || name == "role";
}

void StateScanner::start(const ReportedNames& reported, bool backslashes) {
  reported_ = &reported;
  lexer_.start(backslashes);
  block_ = draws_ = stated_ = reads_value_ = false;
  begin_anew();
}

void StateScanner::look_at(Bytes piece) {
  lexer_.look_at(piece, *this);
  if (lexer_.is_over()) end_statement();
}

void StateScanner::on_word(std::string_view word, bool quoted) {
  if (call_.depth > 0) on_argument(word, false);
  set_keyword_ = false;
  look_for_reading(quoted ? std::string_view{to_lower(word)} : word);
  look_for_names(word);
  draws_ = draws_ || (!quoted && may_draw_value(word));
  if (statement_ == Statement::none) {
    if (!quoted) begin_statement(word);
  } else if (statement_ == Statement::set || statement_ == Statement::set_name) {
    on_set_word(word, quoted);
  } else if (!quoted) {
    on_keyword(word);
  }
  if (words_ < 255) ++words_;
  last_word_ = word;
  last_was_word_ = true;
}

// It may be any: a parameter's name, or that of a function which leaves state.
void StateScanner::on_hidden_word() {
  found_.add(StateReason::setting);
  reading_changed_ = true;
  last_was_word_ = false;
}

void StateScanner::begin_statement(std::string_view word) {
  const bool query = word == "select" || word == "with" || word == "table" || word == "values";
  if (explains_ && options_depth_ > 0 && !query && word != "create" && word != "execute" && word != "declare")
    return;  // an option in parentheses
  draws_ = draws_ || stated_;
  stated_ = stated_ || !is_control(word);
  statement_ = Statement::other;
  if (word == "explain" || word == "analyze" || word == "verbose") {
    explains_ = explains_ || word == "explain";
    statement_ = Statement::none;  // what it explains begins behind it
  } else if (word == "show") {
    statement_ = Statement::show;
  } else if (word == "listen") {
    found_.add(StateReason::listen);
  } else if (word == "load") {
    found_.add(StateReason::loaded_library);
  } else if (word == "set") {
    statement_ = Statement::set;
  } else if (word == "reset") {
    statement_ = Statement::reset;
  } else if (word == "create") {
    statement_ = Statement::create;
    makes_ = true;
  } else if (word == "alter" || word == "drop" || word == "import") {
    makes_ = true;
  } else if (word == "select" || word == "with") {
    statement_ = Statement::select_into;
  } else if (word == "declare") {
    statement_ = Statement::declare;
  } else if (word == "prepare") {
    statement_ = Statement::prepare;
  } else if (word == "do") {
    statement_ = Statement::anonymous_block;
    block_ = true;
    makes_ = true;
  }
}

void StateScanner::on_keyword(std::string_view word) {
  switch (statement_) {
    case Statement::create:
      if (is_temporary(word)) {
        temporary_ = true;
      } else if (word == "or" || word == "replace" || word == "local" || word == "global") {
        break;
      }
      statement_ = Statement::other;
      break;
    case Statement::select_into:
      if (is_temporary(word) && into_) temporary_ = true;
      makes_ = makes_ || (word == "into" && last_word_ != "insert" && last_word_ != "merge");
      into_ = word == "into" || (into_ && (word == "local" || word == "global"));
      break;
    case Statement::declare:
      if (word == "hold" && last_word_ == "with") found_.add(StateReason::cursor_with_hold);
      break;
    case Statement::prepare:
      // PREPARE TRANSACTION 'id' has no more words; a statement may have that name.
      if (word == "transaction" && words_ == 1) break;
      found_.add(StateReason::prepared_in_sql);
      statement_ = Statement::other;
      break;
    case Statement::reset:
      if (word == "authorization") found_.add(StateReason::set_role);
      break;
    case Statement::anonymous_block: on_word_of_block(word); break;
    default: break;
  }
  static constexpr std::string_view on_commit_drop[] = {"on", "commit", "drop"};
  if (drop_words_ < 3)
    drop_words_ = word == on_commit_drop[drop_words_] ? drop_words_ + 1 : word == "on" ? 1 : 0;
}

void StateScanner::on_word_of_block(std::string_view word) {
  if (word == "update") {
    in_update_ = true;
  } else if (word == "set" && !in_update_) {
    statement_ = Statement::set;
  } else if (is_temporary(word)) {
    found_.add(StateReason::temporary_table);
  } else if (word == "listen") {
    found_.add(StateReason::listen);
  } else if (word == "load") {
    found_.add(StateReason::loaded_library);
  } else if (word == "prepare") {
    found_.add(StateReason::prepared_in_sql);
  } else if (word == "hold" && last_word_ == "with") {
    found_.add(StateReason::cursor_with_hold);
  } else if (word == "loop" || word == "then") {
    in_update_ = false;
  }
}

void StateScanner::on_set_word(std::string_view word, bool quoted) {
  if (statement_ == Statement::set_name) {
    if (!quoted && word == "to") return set(name_);
    name_ += to_lower(word);
    return;
  }
  become_plain();
  set_keyword_ = true;
  if (quoted) {
    name_ = to_lower(word);
    statement_ = Statement::set_name;
  } else if (word == "session") {
    statement_ = Statement::set;
  } else if (word == "local" || word == "transaction" || word == "constraints") {
    return;  // ends with the transaction
  } else if (word == "role" || word == "authorization") {
    found_.add(StateReason::set_role);
  } else if (word == "seed") {
    found_.add(StateReason::random_seed);
  } else if (word == "time") {
    set("timezone");
  } else if (word == "names") {
    set("client_encoding");
  } else if (word == "schema") {
    set("search_path");
  } else if (word == "characteristics" || word == "xml") {
    found_.add(StateReason::setting);
  } else {
    name_ = word;
    statement_ = Statement::set_name;
  }
}

void StateScanner::set(std::string_view name) {
  become_plain();
  if (is_of_role(name)) return found_.add(StateReason::set_role);
  if (reported_->is_reported(name)) return;
  found_.add(name.find('.') == std::string_view::npos ? StateReason::setting : StateReason::custom_setting);
}

void StateScanner::on_text(std::string_view begin) {
  look_for_names(to_lower(begin));
  if (of_path_ && !lexer_.knows_text()) found_.add(StateReason::temporary_table);  // it may be in it
  if (call_.depth > 0) on_argument(begin, true);
  last_was_word_ = false;
}

void StateScanner::on_symbol(char symbol) {
  const bool call = symbol == '(' && std::exchange(last_was_word_, false);
  if (explains_ && statement_ == Statement::none) {
    if (symbol == '(' && options_depth_ < 255) ++options_depth_;
    if (symbol == ')' && options_depth_ > 0) --options_depth_;
  }
  if (symbol == '.' && last_word_.starts_with("pg_temp")) temporary_ = true;
  // SET local.tenant, SET time.zone: a custom one, whose class is called like a keyword.
  if (std::exchange(set_keyword_, false) && symbol == '.') found_.add(StateReason::custom_setting);
  if (drop_words_ < 3) drop_words_ = 0;
  if (call_.depth > 0) on_call_symbol(symbol);
  if (call) on_call();
  if (statement_ == Statement::set_name) {
    if (symbol == '=') set(name_);
    if (symbol == '.') name_ += '.';
  }
  if (symbol == ';') end_statement();
}

void StateScanner::end_statement() {
  if (statement_ == Statement::set_name) found_.add(StateReason::setting);
  if (call_.depth > 0) found_.add(reason_of_call());
  if (temporary_ && drop_words_ != 3) found_.add(StateReason::temporary_table);
  reading_changed_ = reading_changed_ || temporary_;
  defines_ = defines_ || (makes_ && !temporary_);
  begin_anew();
}

void StateScanner::begin_anew() {
  statement_ = block_ ? Statement::anonymous_block : Statement::none;
  words_ = drop_words_ = options_depth_ = 0;
  set_keyword_ = makes_ = temporary_ = last_was_word_ = in_update_ = explains_ = updates_ = into_ = of_path_ =
      false;
  last_word_.clear();
  call_ = {};
}

}  // namespace sallyport::postgres
