// docs/operations.md has a row for each reason for which a session is not moved, docs/pooling.md for each for which it
// keeps its connection, and neither has another.
#include "broker/move_questions.h"
#include "broker/move_reasons.h"
#include "wire/postgres/session_state.h"

#include <gtest/gtest.h>

#include <fstream>
#include <iterator>
#include <set>
#include <sstream>

namespace sallyport::move_docs_test {
namespace {

/// The names in backquotes in the first cells of the table that begins so.
std::set<std::string> documented(const std::string& page, std::string_view head) {
  std::ifstream file{SALLYPORT_SOURCE_DIR "/docs/" + page};
  const std::string text{std::istreambuf_iterator<char>{file}, {}};
  auto table = text.substr(std::min(text.find(head), text.size()));
  table.erase(0, table.find('\n') + 1);  // its head has names of columns
  std::istringstream lines{table};
  std::set<std::string> names;
  for (std::string line; std::getline(lines, line) && line.starts_with("|");) {
    std::istringstream parts{line.substr(0, line.find(" | "))};
    bool inside = false;
    for (std::string part; std::getline(parts, part, '`'); inside = !inside) {
      if (inside) names.insert(part);
    }
  }
  return names;
}

TEST(MoveDocs, EachReasonHasARow) {
  std::set<std::string> reasons{std::begin(broker::move_reason::all), std::end(broker::move_reason::all)};
  reasons.insert(std::begin(broker::move_obstacles), std::end(broker::move_obstacles));
  for (std::size_t i = 0; i < postgres::state_reasons; ++i) {
    postgres::StateReasons one;
    one.add(static_cast<postgres::StateReason>(i));
    if (!one.hidden().empty()) reasons.insert(std::string{name_of(one.first())});
  }
  EXPECT_EQ(documented("operations.md", "| reason | the session has |"), reasons);
}

TEST(MoveDocs, EachKindOfStateThatPinsHasARow) {
  std::set<std::string> reasons;
  for (std::size_t i = 0; i < postgres::state_reasons; ++i) {
    const auto reason = static_cast<postgres::StateReason>(i);
    if (reason == postgres::StateReason::too_many_statements) continue;  // session pooling
    reasons.insert(std::string{name_of(reason)});
  }
  EXPECT_EQ(documented("pooling.md", "| reason (in metrics and refusals) |"), reasons);
}

// What DISCARD ALL does not undo closes the connection behind the session: docs/pooling.md names each.
TEST(MoveDocs, EachStateThatClosesItsConnectionIsNamed) {
  std::ifstream file{SALLYPORT_SOURCE_DIR "/docs/pooling.md"};
  const std::string text{std::istreambuf_iterator<char>{file}, {}};
  const auto at = text.find("closed where its reason is such a one:");
  ASSERT_NE(at, std::string::npos);
  const auto sentence = text.substr(at, text.find(". Session pooling", at) - at);
  for (std::size_t i = 0; i < postgres::state_reasons; ++i) {
    postgres::StateReasons one;
    one.add(static_cast<postgres::StateReason>(i));
    const auto word = '`' + std::string{name_of(one.first())} + '`';
    one.discard_all();
    EXPECT_EQ(sentence.find(word) != std::string::npos, !one.empty()) << word;
  }
}

}  // namespace
}  // namespace sallyport::move_docs_test
