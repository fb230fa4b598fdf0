// SQL that ends prepared statements: by what name, and what stands behind it has to wait for.
#include "wire/postgres/pooled_requests.h"

#include <algorithm>
#include <optional>
#include <utility>

namespace sallyport::postgres {

namespace {

/// DEALLOCATE [PREPARE] name, and nothing else.
class DeallocateReader {
 public:
  std::optional<std::string> read(std::string_view sql) {
    SqlLexer lexer;
    lexer.start();
    lexer.look_at(as_bytes(sql), *this);
    lexer.finish(*this);
    if (other_ || step_ != Step::over) return std::nullopt;
    return std::move(name_);
  }
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
  void on_symbol(char symbol) { other_ = other_ || symbol != ';'; }
  [[nodiscard]] static bool texts_are_code() { return false; }

 private:
  enum class Step { verb, prepare_or_name, name, over } step_ = Step::verb;
  bool other_ = false;
  std::string name_;
};

}  // namespace

bool PooledRequests::may_be_deallocate(std::string_view sql) {
  const auto first = sql.find_first_not_of(" \t\r\n");
  return first != std::string_view::npos && (sql[first] == 'd' || sql[first] == 'D');
}

bool PooledRequests::ends_statements(std::string_view sql) {
  if (!may_be_deallocate(sql)) return false;
  sql.remove_prefix(sql.find_first_not_of(" \t\r\n"));
  const auto begins = [sql](std::string_view word) {
    return sql.size() >= word.size() && std::equal(word.begin(), word.end(), sql.begin(), [](char a, char b) {
             return a == (b >= 'A' && b <= 'Z' ? static_cast<char>(b + ('a' - 'A')) : b);
           });
  };
  return begins("deallocate") || begins("discard");
}

// SQL that ends a statement which was prepared by protocol: by the name that the server knows. A connection that does
// not have it ends another one of ours, which comes back when somebody needs it; one that has none ends them all.
std::optional<std::string> PooledRequests::renamed_deallocate(std::string_view sql, Op& op) {
  const auto name = DeallocateReader{}.read(sql);
  if (!name || tracker_.status() == TransactionStatus::failed) return std::nullopt;
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
