// docs/configuration.md and the parser have the same keys: its table is compared with config/keys.h, and its
// examples are parsed.
#include "config/keys.h"
#include "config/vault_file.h"
#include "test/config/parse.h"

#include <fstream>
#include <set>
#include <sstream>

namespace sallyport::config::docs_test {
namespace {

std::string document_text(const std::string& name = "configuration.md") {
  std::ifstream file{SALLYPORT_SOURCE_DIR "/docs/" + name};
  std::ostringstream content;
  content << file.rdbuf();
  return content.str();
}

/// Table cells escape bars.
std::string cell(std::string_view text) {
  std::string out;
  for (const char c : text) out += c == '|' ? std::string{"\\|"} : std::string{c};
  return out;
}

std::string row_of(const Key& key) {
  std::string path;
  for (const char c : key.path) path += c == '*' ? std::string{"NAME"} : std::string{c};
  const bool later = key.since == Since::later;
  const std::string fallback = key.required ? "required" : later ? "" : std::string{key.fallback};
  return "| `" + path + "` | " + cell(describe_type(key)) + " | " + cell(fallback) + " | " +
         cell(key.meaning) + " |";
}

void expect_table(const std::string& document, std::span<const Key> keys) {
  std::vector<std::string> documented;
  const std::string text = document_text(document);
  std::istringstream lines{
      text.substr(std::min(text.find("| key | type | default | meaning |"), text.size()))};
  for (std::string line; std::getline(lines, line) && !line.empty();) {
    if (line.starts_with("| `")) documented.push_back(line);
  }
  std::vector<std::string> known;
  for (const Key& key : keys) known.push_back(row_of(key));
  if (documented == known) return;
  std::string table;
  for (const auto& row : known) table += row + "\n";
  FAIL() << "docs/" << document << " should have these rows:\n" << table;
}

TEST(ConfigDocs, TableHasEveryKeyOfTheParserAndNoOther) { expect_table("configuration.md", all_keys()); }

TEST(ConfigDocs, TheTableOfVaultsFileLikewise) { expect_table("vault-setup.md", vault_keys()); }

TEST(ConfigDocs, KeysStandOnceEachBelowTheirParent) {
  for (const auto table : {all_keys(), vault_keys()}) {
    std::set<std::string_view> seen;
    for (const Key& key : table) {
      EXPECT_TRUE(seen.insert(key.path).second) << key.path;
      std::string_view parent = parent_part(key.path);
      if (key.path.ends_with("[]")) parent = key.path.substr(0, key.path.size() - 2);
      EXPECT_TRUE(parent.empty() || seen.contains(parent)) << key.path;
    }
  }
}

/// Each fenced block of this language, without its fences.
std::vector<std::string> blocks(const std::string& text, const std::string& language) {
  std::vector<std::string> out;
  const std::string fence = "```" + language + "\n";
  for (auto at = text.find(fence); at != std::string::npos; at = text.find(fence, at)) {
    const auto start = at + fence.size();
    at = text.find("```\n", start);
    out.push_back(text.substr(start, at - start));
  }
  return out;
}

TEST(ConfigDocs, ExamplesLoadAndErrorsAreReal) {
  const std::string text = document_text();
  const auto examples = blocks(text, "yaml");
  ASSERT_EQ(examples.size(), 2u) << "the first example is good, the second is the one whose errors are shown";
  EXPECT_EQ(errors_of(examples[0]), std::vector<std::string>{});
  std::string output = "$ sallyport check-config broken.yaml\n";
  for (const auto& error : errors_of(examples[1])) output += "broken.yaml:" + error + "\n";
  const auto shown = blocks(text, "console");
  ASSERT_FALSE(shown.empty());
  EXPECT_EQ(shown[0], output);
}

TEST(ConfigDocs, TheExampleOfVaultsFileLoads) {
  const auto examples = blocks(document_text("vault-setup.md"), "yaml");
  ASSERT_EQ(examples.size(), 1u);
  const auto parsed = parse_vault_file(examples[0], "f", test_machine());
  EXPECT_TRUE(parsed.has_value()) << describe(parsed.error().front());
}

/// A key of this version that the parser does not look at would be a lie of the table.
TEST(ConfigDocs, EveryKeyOfALaterVersionIsRefusedAsThat) {
  for (const Key& key : all_keys()) {
    if (key.since != Since::later) continue;
    std::string yaml;
    const std::string name{last_part(key.path)};
    const std::string_view parent = parent_part(key.path);
    if (parent.empty())
      yaml = name + ": x\n";
    else if (parent == "targets.*")
      yaml = "targets: {t: {" + name + ": x}}\n";
    else if (parent == "targets.*.pool")
      yaml = "targets: {t: {pool: {" + name + ": x}}}\n";
    else if (parent == "routes[]")
      yaml = "routes: [{" + name + ": x}]\n";
    else if (parent == "routes[].allow[]")
      yaml = "routes: [{allow: [{" + name + ": x}]}]\n";
    else if (parent == "audit")
      yaml = "audit: {" + name + ": x}\n";
    else
      ADD_FAILURE() << "say here how " << key.path << " is written";
    std::string all;
    for (const auto& error : errors_of("version: 1\n" + yaml)) all += error + "\n";
    EXPECT_NE(all.find("`" + name + "` is not in this version"), std::string::npos) << key.path << "\n"
                                                                                    << all;
  }
}

}  // namespace
}  // namespace sallyport::config::docs_test
