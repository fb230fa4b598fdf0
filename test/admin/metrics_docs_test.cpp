// docs/operations.md and the encoder have the same metrics, with the same labels.
#include "admin/metrics.h"
#include "test/admin/sample_status.h"

#include <gtest/gtest.h>

#include <fstream>
#include <map>
#include <set>
#include <sstream>

namespace sallyport::admin::metrics_docs_test {
namespace {

using Labels = std::set<std::string>;
using Table = std::map<std::string, Labels>;

/// What stands between backquotes.
std::vector<std::string> quoted(const std::string& cell) {
  std::vector<std::string> all;
  std::istringstream parts{cell};
  bool inside = false;
  for (std::string part; std::getline(parts, part, '`'); inside = !inside) {
    if (inside) all.push_back(part);
  }
  return all;
}

/// Rows "| `name`, `name` | `label`, `label` | meaning |": all names of a row have all its labels.
Table documented() {
  std::ifstream file{SALLYPORT_SOURCE_DIR "/docs/operations.md"};
  std::ostringstream content;
  content << file.rdbuf();
  const auto text = content.str();
  std::istringstream lines{text.substr(std::min(text.find("| metric | labels | meaning |"), text.size()))};
  Table all;
  for (std::string line; std::getline(lines, line) && line.starts_with("|");) {
    if (!line.starts_with("| `")) continue;
    const auto first = line.find(" | "), second = line.find(" | ", first + 1);
    const auto labels = quoted(line.substr(first, second - first));
    for (const auto& name : quoted(line.substr(0, first))) all[name] = {labels.begin(), labels.end()};
  }
  return all;
}

/// Names as Prometheus has them; of a histogram the name without _bucket.
Table encoded() {
  std::istringstream lines{encode_metrics(test::sample_status(), MetricsFormat::prometheus)};
  Table all;
  std::string name;
  for (std::string line; std::getline(lines, line);) {
    if (line.starts_with("# TYPE ")) {
      name = line.substr(7, line.rfind(' ') - 7);
      all[name];
    }
    if (line.starts_with("#")) continue;
    const auto open = line.find('{'), close = line.rfind('}');
    if (open == std::string::npos) continue;
    std::istringstream pairs{line.substr(open + 1, close - open - 1)};
    for (std::string pair; std::getline(pairs, pair, ',');) {
      const auto label = pair.substr(0, pair.find('='));
      if (label != "le") all[name].insert(label);
    }
  }
  return all;
}

TEST(MetricsDocs, TheTableHasEveryMetricWithItsLabelsAndNoOther) {
  const auto docs = documented();
  const auto real = encoded();
  for (const auto& [name, labels] : real) {
    ASSERT_TRUE(docs.contains(name)) << name << " is in no row of docs/operations.md";
    EXPECT_EQ(docs.at(name), labels) << name;
  }
  for (const auto& [name, labels] : docs) EXPECT_TRUE(real.contains(name)) << name << " is documented only";
}

}  // namespace
}  // namespace sallyport::admin::metrics_docs_test
