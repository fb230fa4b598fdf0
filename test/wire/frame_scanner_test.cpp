#include "wire/postgres/frame_scanner.h"

#include "wire/postgres/session_messages.h"

#include <gtest/gtest.h>

#include <random>
#include <set>

namespace sallyport::frame_scanner_test {
namespace {

using namespace postgres;

/// Writes down what it sees; stops and collects as told.
struct Recorder {
  std::set<char> collect;
  char stop_before = 0;
  char stop_after = 0;
  char fail_at = 0;
  std::string seen;
  std::vector<std::string> bodies;
  Bytes chunk;
  std::size_t views_into_chunk = 0;

  bool wants_body(char type, std::uint32_t /*body_bytes*/) const { return collect.contains(type); }
  ScanStep step(char type) const {
    if (type == stop_before) return ScanStep::stop_before;
    if (type == fail_at) return ScanStep::fail;
    return type == stop_after ? ScanStep::stop_after : ScanStep::go_on;
  }
  ScanStep on_frame(const Frame& frame) {
    const auto next = step(frame.type);
    if (next != ScanStep::stop_before) seen += frame.type;
    return next;
  }
  ScanStep on_body(const Frame& frame, Bytes body) {
    seen += frame.type;
    bodies.emplace_back(as_text(body));
    if (body.data() >= chunk.data() && body.data() < chunk.data() + chunk.size()) ++views_into_chunk;
    return step(frame.type);
  }
};

/// Also looks at the bodies of some types in passing.
struct Watcher : Recorder {
  char watch = 0;
  std::string passed;
  bool wants_pieces(char type) const { return type == watch; }
  void on_piece(Bytes piece) { passed += as_text(piece); }
};

WipedBytes stream() {
  WipedBytes out;
  encode(out, CommandComplete{"SELECT 1"});
  encode(out, ReadyForQuery{});
  encode(out, Sync{});
  encode(out, ParameterStatus{"TimeZone", "UTC"});
  encode(out, Query{std::string(300, 'q')});
  encode(out, ReadyForQuery{TransactionStatus::failed});
  return out;
}

/// Feeds `bytes` in pieces of `size`, with the carry as a relay does it.
template <class Visitor>
Result<std::string> feed(FrameScanner& scanner, Visitor& recorder, Bytes bytes, std::size_t size) {
  HeaderCarry carry;
  std::string passed;
  std::vector<std::uint8_t> buffer(HeaderCarry::bytes_max + size);
  while (!bytes.empty()) {
    const auto kept = carry.restore(buffer);
    const auto count = std::min(size, bytes.size());
    std::copy_n(bytes.begin(), count, buffer.begin() + static_cast<std::ptrdiff_t>(kept));
    bytes = bytes.subspan(count);
    const auto chunk = Bytes{buffer}.first(kept + count);
    recorder.chunk = chunk;
    const auto scanned = scanner.scan(chunk, recorder);
    if (!scanned) return scanned.error();
    passed += as_text(chunk.first(scanned->consumed));
    carry.keep(chunk.subspan(scanned->consumed));
    EXPECT_LE(chunk.size() - scanned->consumed, HeaderCarry::bytes_max);
  }
  return passed;
}

TEST(FrameScanner, SeesTheSameFramesHoweverTheStreamIsCut) {
  const auto bytes = stream();
  for (std::size_t size = 1; size <= bytes.size(); ++size) {
    FrameScanner scanner;
    Recorder recorder;
    recorder.collect = {'Z', 'S'};
    const auto passed = feed(scanner, recorder, bytes, size);
    ASSERT_TRUE(passed) << size;
    EXPECT_EQ(*passed, as_text(Bytes{bytes})) << size;
    EXPECT_EQ(recorder.seen, "CZSSQZ") << size;
    EXPECT_EQ(recorder.bodies, (std::vector<std::string>{"I", "", std::string{"TimeZone\0UTC\0", 13}, "E"}))
        << size;
    EXPECT_TRUE(scanner.at_boundary());
  }
}

TEST(FrameScanner, IsAtABoundaryOnlyBetweenFrames) {
  const auto bytes = stream();
  std::set<std::size_t> boundaries{0};
  for (std::size_t at = 0; at < bytes.size();) {
    at += (*decode_message(Bytes{bytes}.subspan(at), 1'000))->frame_bytes();
    boundaries.insert(at);
  }
  for (std::size_t size = 0; size <= bytes.size(); ++size) {
    FrameScanner scanner;
    Recorder recorder;
    ASSERT_TRUE(scanner.scan(Bytes{bytes}.first(size), recorder));
    EXPECT_EQ(scanner.at_boundary(), boundaries.contains(size)) << size;
  }
}

TEST(FrameScanner, BodiesInsideTheChunkAreNotCopied) {
  const auto bytes = stream();
  FrameScanner scanner;
  Recorder recorder;
  recorder.collect = {'Z', 'S', 'Q', 'C'};
  recorder.chunk = bytes;
  ASSERT_TRUE(scanner.scan(bytes, recorder));
  EXPECT_EQ(recorder.bodies.size(), 6U);
  EXPECT_EQ(recorder.views_into_chunk, 6U);
}

TEST(FrameScanner, BodiesThatAreWatchedPassWholeHoweverTheStreamIsCut) {
  const auto bytes = stream();
  for (std::size_t size = 1; size <= bytes.size(); ++size) {
    FrameScanner scanner;
    Watcher watcher;
    watcher.watch = 'Q';
    watcher.collect = {'S'};
    ASSERT_TRUE(feed(scanner, watcher, bytes, size)) << size;
    EXPECT_EQ(watcher.seen, "CZSSQZ") << size;
    EXPECT_EQ(watcher.passed, std::string(300, 'q') + '\0') << size;
    EXPECT_TRUE(scanner.at_boundary());
  }
}

TEST(FrameScanner, TellsWhereFramesLie) {
  struct Offsets {
    std::vector<std::pair<std::size_t, std::uint64_t>> frames;
    static bool wants_body(char type, std::uint32_t /*bytes*/) { return type == 'Z'; }
    ScanStep on_frame(const Frame& frame) {
      frames.emplace_back(frame.begin, frame.end);
      return ScanStep::go_on;
    }
    ScanStep on_body(const Frame& frame, Bytes /*body*/) { return on_frame(frame); }
  } offsets;
  WipedBytes bytes;
  encode(bytes, Sync{});             // 0 … 5
  encode(bytes, ReadyForQuery{});    // 5 … 11
  encode(bytes, Query{"SELECT 1"});  // 11 … 25, cut at 20
  FrameScanner scanner;
  ASSERT_TRUE(scanner.scan(Bytes{bytes}.first(20), offsets));
  const std::vector<std::pair<std::size_t, std::uint64_t>> expected{{0, 5}, {5, 11}, {11, 25}};
  EXPECT_EQ(offsets.frames, expected);
  EXPECT_EQ(scanner.body_left(), 5U);
}

TEST(FrameScanner, StopsBeforeAFrameAndShowsItAgain) {
  const auto bytes = stream();
  FrameScanner scanner;
  Recorder recorder;
  recorder.stop_before = 'Q';
  const auto scanned = scanner.scan(bytes, recorder);
  ASSERT_TRUE(scanned);
  EXPECT_EQ(scanned->stop, ScanStop::before_frame);
  EXPECT_EQ(bytes[scanned->consumed], 'Q');
  EXPECT_EQ(recorder.seen, "CZSS");
  EXPECT_TRUE(scanner.at_boundary());
  recorder.stop_before = 0;
  ASSERT_TRUE(scanner.scan(Bytes{bytes}.subspan(scanned->consumed), recorder));
  EXPECT_EQ(recorder.seen, "CZSSQZ");
}

TEST(FrameScanner, TerminateIsNeverPassedOnInPart) {
  // "X" must not reach a pooled server: not even its first byte, however it is cut.
  WipedBytes bytes;
  encode(bytes, Sync{});
  encode(bytes, Terminate{});
  for (std::size_t size = 1; size <= bytes.size(); ++size) {
    FrameScanner scanner;
    Recorder recorder;
    recorder.stop_before = 'X';
    HeaderCarry carry;
    std::string passed;
    std::vector<std::uint8_t> buffer(64);
    bool stopped = false;
    for (std::size_t at = 0; at < bytes.size() && !stopped; at += size) {
      const auto kept = carry.restore(buffer);
      const auto count = std::min(size, bytes.size() - at);
      std::copy_n(bytes.begin() + static_cast<std::ptrdiff_t>(at), count,
                  buffer.begin() + static_cast<std::ptrdiff_t>(kept));
      const auto chunk = Bytes{buffer}.first(kept + count);
      const auto scanned = scanner.scan(chunk, recorder);
      ASSERT_TRUE(scanned);
      passed += as_text(chunk.first(scanned->consumed));
      stopped = scanned->stop == ScanStop::before_frame;
      if (!stopped) carry.keep(chunk.subspan(scanned->consumed));
    }
    EXPECT_TRUE(stopped) << size;
    EXPECT_EQ(passed, as_text(Bytes{bytes}.first(5))) << size;
  }
}

TEST(FrameScanner, StopsAfterAFrameThatEndsInALaterChunk) {
  const auto bytes = stream();
  const auto query_at = as_text(Bytes{bytes}).find("qqq") - 5;
  for (const bool collect : {false, true}) {
    FrameScanner scanner;
    Recorder recorder;
    if (collect) recorder.collect = {'Q'};
    recorder.stop_after = 'Q';
    const auto first = Bytes{bytes}.first(query_at + 100);
    auto scanned = scanner.scan(first, recorder);
    ASSERT_TRUE(scanned);
    EXPECT_EQ(scanned->stop, ScanStop::chunk_end);
    EXPECT_EQ(scanned->consumed, first.size());
    const auto rest = Bytes{bytes}.subspan(first.size());
    scanned = scanner.scan(rest, recorder);
    ASSERT_TRUE(scanned);
    EXPECT_EQ(scanned->stop, ScanStop::after_frame);
    EXPECT_EQ(rest[scanned->consumed], 'Z');
    EXPECT_TRUE(scanner.at_boundary());
  }
}

TEST(FrameScanner, StopsWhereTheVisitorFails) {
  const auto bytes = stream();
  FrameScanner scanner;
  Recorder recorder;
  recorder.fail_at = 'Q';
  const auto scanned = scanner.scan(bytes, recorder);
  ASSERT_TRUE(scanned);
  EXPECT_EQ(scanned->stop, ScanStop::failed);
}

TEST(FrameScanner, BodiesAboveTheCollectingLimitPassByUnheld) {
  WipedBytes bytes;
  encode(bytes, Query{std::string(100, 'q')});
  FrameScanner scanner{100};
  Recorder recorder;
  recorder.collect = {'Q'};
  ASSERT_TRUE(scanner.scan(bytes, recorder));
  EXPECT_EQ(recorder.seen, "Q");
  EXPECT_TRUE(recorder.bodies.empty());
}

TEST(FrameScanner, RejectsLengthsBelowFourAndAboveTheLimit) {
  for (const std::uint32_t length : {0U, 1U, 3U, 0x40000004U, 0x7fffffffU, 0xffffffffU}) {
    std::vector<std::uint8_t> bytes;
    ByteWriter writer{bytes};
    writer.u8('D');
    writer.u32(length);
    FrameScanner scanner;
    Recorder recorder;
    const auto scanned = scanner.scan(bytes, recorder);
    ASSERT_FALSE(scanned) << length;
    EXPECT_EQ(scanned.error().code, length < 4 ? ErrorCode::invalid_message : ErrorCode::limit_exceeded);
    EXPECT_EQ(recorder.seen, "");
  }
}

TEST(FrameScanner, AGigabytePassesWithoutBeingHeld) {
  std::vector<std::uint8_t> header;
  ByteWriter writer{header};
  writer.u8('d');
  writer.u32(0x3fffffff + 4);
  FrameScanner scanner;
  Recorder recorder;
  ASSERT_TRUE(scanner.scan(header, recorder));
  const std::vector<std::uint8_t> piece(1 << 20);
  std::uint64_t left = 0x3fffffff;
  while (left > 0) {
    const auto count = std::min<std::uint64_t>(left, piece.size());
    const auto scanned = scanner.scan(Bytes{piece}.first(count), recorder);
    ASSERT_TRUE(scanned);
    ASSERT_EQ(scanned->consumed, count);
    left -= count;
  }
  EXPECT_TRUE(scanner.at_boundary());
  EXPECT_EQ(recorder.seen, "d");
}

TEST(FrameScanner, AgreesWithANaiveSplitterOnRandomStreams) {
  std::mt19937 random{20'261'125};
  for (int round = 0; round < 200; ++round) {
    WipedBytes bytes;
    std::string types;
    for (int i = 0; i < 30; ++i) {
      const char type = "ZSCDdQ"[random() % 6];
      FrameWriter frame{bytes, type};
      frame.text(std::string(random() % 40, 'x'));
      frame.finish();
      types += type;
    }
    FrameScanner scanner{20};
    Recorder recorder;
    recorder.collect = {'Z', 'D'};
    const auto passed = feed(scanner, recorder, bytes, 1 + random() % 50);
    ASSERT_TRUE(passed);
    EXPECT_EQ(*passed, as_text(Bytes{bytes}));
    EXPECT_EQ(recorder.seen, types);
  }
}

}  // namespace
}  // namespace sallyport::frame_scanner_test
