#include "trail_fixture.h"

#include "trail/segment.h"
#include "trail/text.h"

#include <nlohmann/json.hpp>

#include <cmath>

namespace sallyport::trail::record_test {
namespace {

std::string encoded(const Event& event, std::uint64_t sequence = 1) {
  std::string out;
  encode_record(out, event, sequence);
  return out;
}

std::string json_string(std::string_view text, std::size_t bytes_max = record_string_bytes_max) {
  std::string out;
  append_json_string(out, text, bytes_max);
  return out;
}

TEST(TrailRecord, IsCanonicalJsonWithKeysInByteOrder) {
  auto event = session_start();
  event.duration_s = 12.5;
  event.bytes_to_client = 10;
  event.bytes_to_server = 20;
  event.transactions = 2;
  event.count = 1;
  event.reason = "r";
  const auto text = encoded(event);
  EXPECT_EQ(nlohmann::json::parse(text).dump(), text);  // nlohmann sorts keys and writes no spaces
}

TEST(TrailRecord, HasTheBytesThatTheDocumentShows) {
  Event event;
  event.kind = EventKind::session_denied;
  event.at = moment(0);
  event.route = "exec";
  event.result = "denied";
  event.duration_s = 0.25;
  event.verified = {{"uid", "1001"}, {"gid", ""}};
  EXPECT_EQ(
      encoded(event, 7),
      R"({"at":"2025-11-25T10:09:23.123456Z","duration_s":0.25,"kind":"session_denied","result":"denied",)"
      R"("route":"exec","seq":7,"verified":{"uid":"1001"}})");
}

TEST(TrailRecord, IsReadBackWhole) {
  auto event = session_start();
  event.kind = EventKind::session_end;
  event.duration_s = 0.000001;
  event.bytes_to_client = UINT64_MAX;
  event.bytes_to_server = 0;
  event.transactions = 12;
  event.count = 99;
  event.upstream_pid = -5;
  event.reason = "client closed\nthe \"connection\"";
  const auto record = decode_record(encoded(event, 42));
  ASSERT_TRUE(record) << describe(record.error());
  EXPECT_EQ(record->sequence, 42U);
  EXPECT_EQ(record->kind, "session_end");
  EXPECT_TRUE(record->kind_known);
  EXPECT_EQ(record->event.at, event.at);
  EXPECT_EQ(record->event.bytes_to_client, UINT64_MAX);
  EXPECT_EQ(record->event.bytes_to_server, 0U);
  EXPECT_EQ(record->event.upstream_pid, -5);
  EXPECT_EQ(record->event.reason, event.reason);
  EXPECT_EQ(record->event.verified, event.verified);
  EXPECT_EQ(record->event.claimed, event.claimed);
  EXPECT_EQ(encoded(record->event, 42), encoded(event, 42));
}

TEST(TrailRecord, EveryKindHasANameThatIsReadBack) {
  for (int i = 0; i <= static_cast<int>(EventKind::security); ++i) {
    const auto kind = static_cast<EventKind>(i);
    EXPECT_EQ(kind_named(name_of(kind)), kind);
  }
  EXPECT_FALSE(kind_named("no_such_kind"));
}

TEST(TrailRecord, LeavesOutDurationsThatAreNone) {
  for (const double value : {std::nan(""), HUGE_VAL, -1.0, 1e300}) {
    Event event;
    event.duration_s = value;
    EXPECT_EQ(encoded(event).find("duration_s"), std::string::npos) << value;
  }
  Event event;
  event.duration_s = 0.0000004;
  EXPECT_NE(encoded(event).find("\"duration_s\":0,"), std::string::npos);
}

TEST(TrailText, HostileStringsBecomePrintableAsciiOnOneLine) {
  EXPECT_EQ(json_string("\x1b[31mred\n\"\\\t\x7f"), R"("\u001b[31mred\n\"\\\t\u007f")");
  EXPECT_EQ(json_string(std::string_view{"a\0b", 3}), R"("a\u0000b")");
  EXPECT_EQ(json_string("é€😀"), R"("\u00e9\u20ac\ud83d\ude00")");
  EXPECT_EQ(json_string("\u202Egnp.exe"), R"("\u202egnp.exe")");
}

TEST(TrailText, BytesThatAreNoUtf8BecomeTheReplacementCharacter) {
  EXPECT_EQ(json_string("caf\xe9"), R"("caf\ufffd")");
  EXPECT_EQ(json_string("\xc0\xaf"), R"("\ufffd\ufffd")");            // overlong
  EXPECT_EQ(json_string("\xed\xa0\x80"), R"("\ufffd\ufffd\ufffd")");  // surrogate
  EXPECT_EQ(json_string("\xf4\x90\x80\x80"), R"("\ufffd\ufffd\ufffd\ufffd")");
  EXPECT_EQ(json_string("\xe2\x82"), R"("\ufffd\ufffd")");  // cut in the middle
}

TEST(TrailText, LongTextIsCutBetweenCharactersWithAMark) {
  std::string text;
  for (int i = 0; i < 400; ++i) text += "é";
  const auto cut = bounded_utf8(text, 101);
  EXPECT_LE(cut.size(), 101U);
  EXPECT_EQ(cut, [&] {
    std::string expected;
    for (int i = 0; i < 30; ++i) expected += "é";
    return expected + "…[+740 bytes]";
  }());
  EXPECT_EQ(bounded_utf8(cut, 101), cut);
}

TEST(TrailText, OneMegabyteTakesNoMoreThanTheLimit) {
  auto event = session_start();
  event.reason = std::string(1 << 20, '\x01');
  for (int i = 0; i < 1000; ++i)
    event.claimed[std::string(200, 'k') + std::to_string(i)] = std::string(5000, '\xff');
  event.claimed["\xff"] = "one";
  event.claimed["\xfe"] = "two";
  const auto text = encoded(event);
  EXPECT_LT(text.size(), record_bytes_max);
  const auto record = decode_record(text);
  ASSERT_TRUE(record) << describe(record.error());
  EXPECT_LE(record->event.claimed.size(), record_map_entries_max);
  EXPECT_EQ(encoded(record->event), text);
}

TEST(TrailRecord, KeepsTheFirstMapEntriesAndSaysHowManyAreLeftOut) {
  Event event;
  for (int i = 0; i < 20; ++i) event.claimed["key" + std::to_string(100 + i)] = "v";
  const auto record = decode_record(encoded(event));
  ASSERT_TRUE(record);
  EXPECT_EQ(record->event.claimed.size(), 16U);
  EXPECT_EQ(record->event.claimed.at("~more"), "5");
  EXPECT_EQ(encoded(record->event), encoded(event));
}

TEST(TrailRecord, WorstCaseStaysBelowTheLimit) {
  const std::string worst(4096, '\x01');
  auto event = session_start();
  for (auto* field : {&event.session, &event.route, &event.target, &event.role, &event.database,
                      &event.upstream_user, &event.lease_accessor, &event.upstream_host,
                      &event.upstream_address, &event.local_address, &event.tls_protocol, &event.tls_cipher,
                      &event.server_certificate_sha256, &event.result, &event.reason}) {
    *field = worst;
  }
  for (int i = 0; i < 40; ++i)
    event.claimed[worst + std::to_string(i)] = event.verified[std::string(60, '\x02') + std::to_string(i)] =
        worst;
  EXPECT_LT(encoded(event).size(), record_bytes_max);
  EXPECT_TRUE(decode_record(encoded(event)));
}

TEST(TrailRecord, HasAtMostSoManyBytesForEachByteInMemory) {
  std::vector<Event> events(3);
  events[1] = session_start();
  const std::string worst(record_string_bytes_max, '\x01');
  for (auto* field : {&events[2].session, &events[2].route, &events[2].reason, &events[2].upstream_user}) {
    *field = worst;
  }
  for (unsigned i = 0; i < record_map_entries_max; ++i) {
    events[2].claimed[std::to_string(i)] = events[2].verified[std::to_string(i)] = worst;
  }
  for (const auto& event : events) {
    std::string line;
    append_frame(line, event, 1);
    EXPECT_LE(line.size(), record_bytes_per_byte_max * bytes_in_memory(event));
  }
}

TEST(TrailRecord, SkipsFieldsOfLaterVersions) {
  const auto record = decode_record(
      R"({"at":"2025-11-25T10:09:23.123456Z","kind":"teleport","new":{"a":[1,{"at":3,"claimed":null}]},"new2":null,)"
      R"("new3":[true],"new4":-1.5,"seq":3,"target":"t"})");
  ASSERT_TRUE(record) << describe(record.error());
  EXPECT_FALSE(record->kind_known);
  EXPECT_EQ(record->kind, "teleport");
  EXPECT_EQ(record->event.target, "t");
}

TEST(TrailRecord, RefusesWhatIsNoRecord) {
  const std::string deep(40, '[');
  const std::vector<std::string> wrong{
      "",
      "null",
      "[]",
      "{}",
      "{",
      "7",
      "\"x\"",
      R"({"at":"2025-11-25T10:09:23.123456Z","kind":"security"})",
      R"({"at":"2025-02-30T10:09:23.123456Z","kind":"security","seq":1})",
      R"({"at":"2025-11-25T10:09:23.123456Z","at":"2025-11-25T10:09:23.123456Z","kind":"security","seq":1})",
      R"({"at":"2025-11-25T10:09:23.123456Z","kind":"security","seq":"1"})",
      R"({"at":"2025-11-25T10:09:23.123456Z","kind":"security","seq":-1})",
      R"({"at":"2025-11-25T10:09:23.123456Z","kind":"security","seq":1,"target":{"a":"b"}})",
      R"({"at":"2025-11-25T10:09:23.123456Z","kind":"security","seq":1,"claimed":{"a":1}})",
      R"({"at":"2025-11-25T10:09:23.123456Z","kind":"security","seq":1,"claimed":{"a":{}}})",
      R"({"at":"2025-11-25T10:09:23.123456Z","kind":"security","seq":1,"claimed":{"a":"1","a":"2"}})",
      R"({"at":"2025-11-25T10:09:23.123456Z","kind":"security","seq":1,"claimed":["a"]})",
      R"({"at":"2025-11-25T10:09:23.123456Z","kind":"security","seq":1,"generation":1.5})",
      R"({"at":"2025-11-25T10:09:23.123456Z","kind":"security","seq":1,"duration_s":-1})",
      R"({"at":"2025-11-25T10:09:23.123456Z","kind":"security","seq":1,"new":)" + deep,
      R"({"at":"2025-11-25T10:09:23.123456Z","kind":"security","seq":1} x)"};
  for (const auto& text : wrong) EXPECT_FALSE(decode_record(text)) << text;
  EXPECT_EQ(decode_record(std::string(record_bytes_max + 1, ' ')).error().code, ErrorCode::limit_exceeded);
}

TEST(TrailText, PrintableKeepsLettersAndShowsWhatWouldMislead) {
  EXPECT_EQ(printable("häuser 😀"), "häuser 😀");
  EXPECT_TRUE(is_utf8("häuser 😀\n") && is_utf8(""));
  for (const auto* bad : {"\xff", "a\x80", "\xc3", "\xed\xa0\x80", "\xc0\xaf"}) EXPECT_FALSE(is_utf8(bad));
  EXPECT_EQ(printable("\x1b[2J\n\xff\u202E\u0085\u200B"), "\\x1b[2J\\n\\xff\\u{202e}\\u{0085}\\u{200b}");
  EXPECT_EQ(columns_of("hä😀"), 3U);
}

TEST(TrailText, LinesOfATextAreKeptAndNothingElseThatDraws) {
  EXPECT_EQ(printable_lines("a\tb\n  ^\n\x1b]0;x\a\r"), "a\tb\n  ^\n\\x1b]0;x\\x07\\x0d");
  for (const auto* plain : {"", "a\tb\n", "häuser 😀"}) EXPECT_TRUE(is_printable(plain)) << plain;
  for (const auto* bad : {"\x1b[2J", "\r", "\xff", "\u202E", "\u0085", "\x7f"})
    EXPECT_FALSE(is_printable(bad)) << bad;
}

}  // namespace
}  // namespace sallyport::trail::record_test
