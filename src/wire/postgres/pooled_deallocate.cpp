// SQL that ends prepared statements: by what name, and what stands behind it has to wait for.
#include "wire/postgres/pooled_requests.h"

#include <optional>
#include <utility>

namespace sallyport::postgres {

namespace {

/// DEALLOCATE [PREPARE] name, and nothing else.
class DeallocateReader {
 public:
  std::optional<std::string> read(std::string_view sql) {
    read_sql(sql, *this);
    if (other_ || step_ != Step::over) return std::nullopt;
    return std::move(name_);
  }
  [[nodiscard]] bool is_over() const { return other_; }
  void on_word(std::string_view word, bool quoted) {
    const auto is = [&](std::string_view wanted) { return !quoted && word == wanted; };
    if (step_ == Step::verb && is("deallocate")) {
      step_ = Step::prepare_or_name;
    } else if (step_ == Step::prepare_or_name && is("prepare")) {
      step_ = Step::name;
    } else if ((step_ == Step::prepare_or_name || step_ == Step::name) && !is("all")) {
      name_ = word;
      step_ = Step::over;
    } else {
      other_ = true;
    }
  }
  void on_text(std::string_view) { other_ = true; }
  void on_hidden_word() { other_ = true; }
  void on_symbol(char symbol) { other_ = other_ || symbol != ';'; }
  [[nodiscard]] static bool texts_are_code() { return false; }

 private:
  enum class Step { verb, prepare_or_name, name, over } step_ = Step::verb;
  bool other_ = false;
  std::string name_;
};

/// Of a text, behind comments and empty statements.
class FirstWord {
 public:
  [[nodiscard]] bool is_over() const { return known_; }
  [[nodiscard]] bool ends_statements() const { return ends_; }

  // ---- told by the lexer ----
  void on_word(std::string_view word, bool quoted) {
    if (std::exchange(known_, true)) return;
    ends_ = !quoted && (word == "deallocate" || word == "discard");
  }
  void on_hidden_word() { known_ = true; }
  void on_text(std::string_view) { known_ = true; }
  void on_symbol(char symbol) { known_ = known_ || symbol != ';'; }
  [[nodiscard]] static bool texts_are_code() { return false; }

 private:
  bool known_ = false, ends_ = false;
};

}  // namespace

// What most texts are not is seen at once. A comment or an empty statement may stand in front.
bool PooledRequests::may_be_deallocate(std::string_view sql) {
  const auto first = sql.find_first_not_of(" \t\r\n\f\v");
  return first != std::string_view::npos &&
         std::string_view{"dD-/;"}.find(sql[first]) != std::string_view::npos;
}

bool PooledRequests::ends_statements(std::string_view sql) {
  if (!may_be_deallocate(sql)) return false;
  FirstWord first;
  read_sql(sql, first);
  return first.ends_statements();
}

// SQL that ends a statement which was prepared by protocol: by the name that the server knows. A connection that does
// not have it ends another one of ours, which comes back when somebody needs it; one that has none ends them all.
std::optional<std::string> PooledRequests::renamed_deallocate(std::string_view sql, Op& op) {
  const auto name = DeallocateReader{}.read(sql);
  if (!name) return std::nullopt;
  const auto known = prepared_.named.find(*name);
  if (known == prepared_.named.end()) return std::nullopt;
  const auto ended = upstream_->has(*known->second) ? known->second : upstream_->oldest();
  op = this->renamed(*name, nullptr);
  op.ends_all = ended == nullptr;
  if (ended == nullptr) return "DEALLOCATE ALL";
  upstream_->remove(*ended);
  op.statement = ended;
  op.had = true;
  return "DEALLOCATE " + ended->name;
}

}  // namespace sallyport::postgres
