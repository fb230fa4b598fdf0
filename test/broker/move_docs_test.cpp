// docs/operations.md has a row for each reason for which a session is not moved, and no other.
#include "broker/move_questions.h"
#include "broker/move_reasons.h"
#include "wire/postgres/session_state.h"

#include <gtest/gtest.h>

#include <fstream>
#include <iterator>
#include <set>
#include <sstream>

namespace sallyport {
namespace {

/// The names in backquotes in the first cells of the table.
std::set<std::string> documented() {
  std::ifstream file{SALLYPORT_SOURCE_DIR "/docs/operations.md"};
  const std::string text{std::istreambuf_iterator<char>{file}, {}};
  std::istringstream lines{text.substr(std::min(text.find("| reason | the session has |"), text.size()))};
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
  EXPECT_EQ(documented(), reasons);
}

}  // namespace
}  // namespace sallyport
