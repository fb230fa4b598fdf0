// Texts that were written to hurt: bounded time, bounded memory, a message.
#include "config/document.h"
#include "config/values.h"
#include "test/config/parse.h"

#include <algorithm>

namespace sallyport::config::hostile_test {
namespace {

std::string repeated(std::string_view text, std::size_t count) {
  std::string out;
  for (std::size_t i = 0; i < count; ++i) out += text;
  return out;
}

std::string only_error(std::string_view yaml) {
  const auto errors = errors_of(yaml);
  return errors.size() == 1 ? errors[0] : std::to_string(errors.size()) + " errors";
}

TEST(ConfigHostile, AliasBombIsCounted) {
  std::string bomb = "version: 1\na0: &a0 [x, x, x, x, x, x, x, x, x, x]\n";
  for (int i = 1; i < 12; ++i) {
    const std::string below = "*a" + std::to_string(i - 1);
    bomb += "a" + std::to_string(i) + ": &a" + std::to_string(i) + " [" + below + repeated(", " + below, 9) +
            "]\n";
  }
  EXPECT_EQ(only_error(bomb).substr(0, 62), "6:25: more than 50000 values, aliases counted as what they sta");
}

TEST(ConfigHostile, AliasesOfTargetsAreBoundedToo) {
  std::string yaml =
      "version: 1\ntargets:\n  t0: &t {engine: postgresql, host: db.example.com, database: d, auth: "
      "\"env:X\"}\n";
  for (int i = 1; i < 20'000; ++i) yaml += "  t" + std::to_string(i) + ": *t\n";
  EXPECT_NE(only_error(yaml).find("more than 50000 values"), std::string::npos);
}

TEST(ConfigHostile, DepthIsBounded) {
  const std::string told =
      "nested deeper than 16 levels. No key stands that deep; check the brackets and the indentation.";
  for (const std::string_view opening : {"[", "{a: ", "- ", "? "}) {
    const auto error = only_error(repeated(opening, 100'000));
    EXPECT_NE(error.find(told), std::string::npos) << opening << error;
  }
}

TEST(ConfigHostile, SizesAreBounded) {
  EXPECT_EQ(only_error(std::string(config_bytes_max + 1, '#')).substr(0, 43),
            "1:1: the file is larger than 1048576 bytes.");
  EXPECT_EQ(only_error(std::string(config_bytes_max, '#')).substr(0, 22), "1:1: the file is empty");
  EXPECT_EQ(only_error("version: 1\nstate: " + std::string(scalar_bytes_max + 1, 'x')),
            "2:8: a value is longer than 4096 bytes. Shorten it.");
  EXPECT_EQ(only_error("version: 1\nstate: sqlite:/" + std::string(scalar_bytes_max - 8, 'x')), "0 errors");
}

TEST(ConfigHostile, OnlyUtf8TextIsRead) {
  for (const std::string_view bad :
       {"\xFF", "\xC0\xAF", "\xED\xA0\x80", "\xF4\x90\x80\x80", "\xE2\x82", "\x80"}) {
    EXPECT_EQ(only_error("version: 1\nstate: é" + std::string{bad}),
              "2:10: a byte that is not UTF-8. Save the file as UTF-8.");
  }
  EXPECT_EQ(only_error("\xFE\xFFv").substr(0, 27), "1:1: a byte that is not UTF");
  EXPECT_EQ(only_error(std::string_view{"a: \0", 4}),
            "1:4: a control character. Remove it; this is a text file.");
  EXPECT_EQ(only_error("a: \x1b[2J").substr(0, 24), "1:4: a control character");
}

TEST(ConfigHostile, MessagesHoldOnlyPrintableText) {
  const auto error = only_error("version: 1\n\"\\e[2J\\u009b\\u202e`k\": 1\n");
  EXPECT_EQ(error.substr(0, 28), "2:1: unknown key `?[2J???k`.") << error;
}

TEST(ConfigHostile, NamesThatAreOfferedAreShownAsPrintableTextToo) {
  const std::string yaml = R"(version: 1
targets:
  "\e[2J\t\u202ep": {engine: postgresql, host: db.example.com, database: d, roles: {"app\rro": "env:X"}}
  good: {engine: postgresql, host: db.example.com, database: ["d\u202e", e], roles: {"app\rro": "env:X", rw: "env:Y"}}
routes:
  - {listen: unix:/run/a, target: q, allow: [{user: app}]}
  - {listen: unix:/run/b, target: good, allow: [{user: app, role: app_ro, database: f}]}
)";
  const auto errors = errors_of(yaml);
  EXPECT_TRUE(std::ranges::any_of(errors, [](const std::string& error) {
    return error.ends_with("there is no target `q`. Targets: `?[2J??p` or `good`.");
  }));
  EXPECT_TRUE(std::ranges::any_of(errors, [](const std::string& error) {
    return error.ends_with("has no role `app_ro`. Did you mean `app?ro`?");
  }));
  EXPECT_TRUE(std::ranges::any_of(errors, [](const std::string& error) {
    return error.ends_with("has no database `f`. Databases: `d?` or `e`.");
  }));
  for (const auto& error : errors) {
    EXPECT_TRUE(std::ranges::all_of(error, [](char c) { return c >= ' ' && c <= '~'; })) << error;
  }
}

TEST(ConfigHostile, LongKeysAreShortenedInMessages) {
  EXPECT_LT(only_error("version: 1\n" + std::string(3'000, 'k') + ": 1\n").size(), 400u);
}

TEST(ConfigHostile, TheFirstTwentyErrorsByPositionAreTold) {
  std::string yaml = "version: 1\n";
  for (int i = 0; i < 5'000; ++i) yaml += "zzz" + std::to_string(i) + ": 1\n";
  const auto errors = errors_of(yaml);
  ASSERT_EQ(errors.size(), errors_max);
  for (std::size_t i = 0; i < errors.size(); ++i) {
    EXPECT_EQ(errors[i].substr(0, errors[i].find(' ')), std::to_string(i + 2) + ":1:");
  }
}

TEST(ConfigHostile, EveryPrefixOfAGoodFileIsReadOrRefused) {
  const std::string yaml = R"(version: 1
targets:
  t: {engine: postgresql, host: [db.example.com], database: "d", roles: {a: 'env:X', b: &x {auth: "env:Y"}, c: *x}}
routes:
  - listen: unix:/run/s:5432
    allow: [{user: app, role: a}]
    target: t
)";
  EXPECT_EQ(errors_of(yaml), std::vector<std::string>{});
  std::size_t good = 0;
  for (std::size_t size = 0; size < yaml.size(); ++size)
    good += errors_of(yaml.substr(0, size)).empty() ? 1 : 0;
  EXPECT_GE(good, 1u);  // "version: 1"
  EXPECT_LT(good, yaml.size() / 4);
}

TEST(ConfigValues, DurationsNeedANumberAndAUnit) {
  EXPECT_EQ(parse_duration("250ms"), 250);
  EXPECT_EQ(parse_duration("30s"), 30'000);
  EXPECT_EQ(parse_duration("10 min"), 600'000);
  EXPECT_EQ(parse_duration("1h"), 3'600'000);
  EXPECT_EQ(parse_duration("2 days"), 172'800'000);
  for (const std::string_view bad :
       {"", "s", "30", "1.5h", "-1s", "1  s", "1 s ", "1S", "1 week", "9223372036854775807 d"}) {
    EXPECT_EQ(parse_duration(bad), std::nullopt) << bad;
  }
}

TEST(ConfigValues, PlainAbsolutePathsHaveOneSpelling) {
  for (const std::string_view good : {"/", "/a", "/a/b.c", "/.a", "/a/..b"})
    EXPECT_TRUE(is_plain_absolute_path(good)) << good;
  for (const std::string_view bad :
       {"", "a", "./a", "//a", "/a/", "/a//b", "/a/.", "/a/../b", "/..", "~/a"}) {
    EXPECT_FALSE(is_plain_absolute_path(bad)) << bad;
  }
}

TEST(ConfigValues, PrivateNamesAreThoseNoPublicAuthoritySigns) {
  for (const std::string_view host :
       {"db", "localhost", "a.internal", "A.LOCAL.", "10.9.8.7", "172.16.0.1", "172.31.255.255",
        "192.168.1.1", "100.64.0.1", "127.0.0.1", "169.254.1.1", "::1", "fe80::1", "fd12::1"}) {
    EXPECT_TRUE(looks_private(host)) << host;
  }
  for (const std::string_view host : {"db.example.com", "8.8.8.8", "172.32.0.1", "172.15.0.1", "100.128.0.1",
                                      "2001:db8::1", "internal.example.com", "notlocal.com"}) {
    EXPECT_FALSE(looks_private(host)) << host;
  }
}

TEST(ConfigValues, HostNamesAreCheckedByShape) {
  for (const std::string_view good : {"a", "a.b", "a-b.c", "a_b", "db.example.com.", "1a.com", "3com"})
    EXPECT_TRUE(is_host_name(good)) << good;
  for (const std::string_view bad :
       {"", ".", "a..b", "-a", "a-", "a b", "1.2.3.4", "1.2.3.400", "12", "a/b", "a:1", "é.com"}) {
    EXPECT_FALSE(is_host_name(bad)) << bad;
  }
}

}  // namespace
}  // namespace sallyport::config::hostile_test
