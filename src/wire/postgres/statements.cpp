#include "wire/postgres/statements.h"

#include <utility>

namespace sallyport::postgres {

/// Leaves the list when nobody has it any more.
struct StatementRegistry::Listed : Statement {
  explicit Listed(std::shared_ptr<Texts> list) : texts(std::move(list)) {}
  ~Listed() {
    const auto found = texts->find(key_of(*this));
    if (found != texts->end() && found->second.expired()) texts->erase(found);
  }
  Listed(const Listed&) = delete;
  Listed& operator=(const Listed&) = delete;

  std::shared_ptr<Texts> texts;
};

void StatementRegistry::name(Statement& fresh, Bytes body, TextFacts facts) const {
  fresh.number = numbers_->next++;
  fresh.name = std::string{statement_prefix} + std::to_string(fresh.number);
  fresh.body.assign(body.begin(), body.end());
  fresh.facts = facts;
}

StatementPtr StatementRegistry::make_own(Bytes body, TextFacts facts) const {
  auto fresh = std::make_shared<Statement>();
  name(*fresh, body, facts);
  return fresh;
}

StatementPtr StatementRegistry::intern(Bytes body, TextFacts facts, std::string_view reading) {
  if (const auto known = texts_->find({as_text(body), reading}); known != texts_->end()) {
    if (auto statement = known->second.lock()) return statement;
    texts_->erase(known);
  }
  auto fresh = std::make_shared<Listed>(texts_);
  name(*fresh, body, facts);
  fresh->reading = reading;
  fresh->shared = true;
  texts_->emplace(key_of(*fresh), fresh);
  return fresh;
}

void StatementRegistry::retire(const Statement& statement) {
  const auto found = texts_->find(key_of(statement));
  if (found != texts_->end() && found->second.lock().get() == &statement) texts_->erase(found);
}

bool UpstreamStatements::has(const Statement& statement) {
  const auto found = places_.find(statement.number);
  if (found == places_.end()) return false;
  order_.splice(order_.end(), order_, found->second.at);
  return true;
}

void UpstreamStatements::add(StatementPtr statement, std::uint64_t reading) {
  const auto number = statement->number;
  if (has(*statement)) return;
  bytes_ += statement->body.size();
  places_[number] = {order_.insert(order_.end(), std::move(statement)), reading};
}

void UpstreamStatements::remove(const Statement& statement) {
  const auto found = places_.find(statement.number);
  if (found == places_.end()) return;
  bytes_ -= (*found->second.at)->body.size();
  order_.erase(found->second.at);
  places_.erase(found);
}

void UpstreamStatements::clear() {
  order_.clear();
  places_.clear();
  bytes_ = 0;
  unnamed = 0;
}

}  // namespace sallyport::postgres
