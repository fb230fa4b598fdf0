// The relay's frame scanner against a splitter that holds everything: however the stream is cut, both see
// the same frames, the same bodies, and pass on the same bytes. Stops must leave nothing out or in twice.
#include "wire/postgres/frame_scanner.h"

#include <fuzzer/FuzzedDataProvider.h>
#include <algorithm>

#include <cstdlib>
#include <string>

using namespace sallyport;
using namespace sallyport::postgres;

namespace {

constexpr std::uint32_t body_max = 100'000;
constexpr std::size_t collect_max = 64;

struct Seen {
  std::string frames;  ///< type and length of each frame, then its body where it was collected
  void frame(char type, std::uint32_t bytes) { frames += type + std::to_string(bytes) + ";"; }
  void body(Bytes bytes) { frames += std::string{as_text(bytes)} + "|"; }
};

bool wanted(char type) { return (type & 1) != 0; }

struct Visitor {
  Seen seen;
  bool stop_before_next = false;
  std::uint8_t stop_before_mask = 0;
  std::uint8_t stop_after_mask = 0;

  static bool wants_body(char type, std::uint32_t /*bytes*/) { return wanted(type); }
  ScanStep on_frame(const Frame& frame) {
    if (!stop_before_next && (frame.type & stop_before_mask) != 0) {
      stop_before_next = true;
      return ScanStep::stop_before;
    }
    stop_before_next = false;
    if (frame.end != frame.begin + frame_header_bytes + frame.body_bytes) std::abort();
    seen.frame(frame.type, frame.body_bytes);
    return (frame.type & stop_after_mask) != 0 ? ScanStep::stop_after : ScanStep::go_on;
  }
  ScanStep on_body(const Frame& frame, Bytes body) {
    if (body.size() != frame.body_bytes || body.size() > collect_max) std::abort();
    seen.frame(frame.type, frame.body_bytes);
    seen.body(body);
    return (frame.type & stop_after_mask) != 0 ? ScanStep::stop_after : ScanStep::go_on;
  }
};

/// Sees whole headers as the scanner does, and bodies only when whole. `bad`: a length is out of range.
/// Returns the bytes up to which everything is decided.
std::size_t naive(Bytes stream, Seen& seen, bool& bad) {
  std::size_t at = 0;
  while (stream.size() - at >= frame_header_bytes) {
    const char type = static_cast<char>(stream[at]);
    ByteReader reader{stream.subspan(at + 1)};
    const auto length = reader.u32();
    bad = length < 4 || length - 4 > body_max;
    if (bad) return at;
    const auto bytes = length - 4;
    const bool whole = reader.left() >= bytes;
    if (wanted(type) && bytes <= collect_max) {
      if (!whole) return stream.size();
      seen.frame(type, bytes);
      seen.body(reader.take(bytes));
    } else {
      seen.frame(type, bytes);
      if (!whole) return stream.size();
    }
    at += frame_header_bytes + bytes;
  }
  return at;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  FuzzedDataProvider input{data, size};
  Visitor visitor;
  visitor.stop_before_mask = input.ConsumeIntegral<std::uint8_t>() & 0x0c;
  visitor.stop_after_mask = input.ConsumeIntegral<std::uint8_t>() & 0x30;
  const auto cut_seed = input.ConsumeIntegral<std::uint16_t>();
  const auto stream = input.ConsumeRemainingBytes<std::uint8_t>();

  Seen expected;
  bool expected_bad = false;
  const auto expected_passed = naive(stream, expected, expected_bad);

  FrameScanner scanner{collect_max, body_max};
  std::size_t passed = 0;
  std::uint32_t random = cut_seed;
  bool bad = false;
  for (std::size_t end = 0; end < stream.size() && !bad;) {
    random = random * 1'103'515'245 + 12'345;
    end = std::min(stream.size(), end + 1 + (random >> 16) % (1 + cut_seed % 97));
    while (true) {
      // A chunk of exactly its size on the heap, so that a read past it is seen.
      const std::vector<std::uint8_t> chunk(stream.begin() + static_cast<std::ptrdiff_t>(passed),
                                            stream.begin() + static_cast<std::ptrdiff_t>(end));
      const auto scanned = scanner.scan(chunk, visitor);
      bad = !scanned;
      if (bad) break;
      if (scanned->consumed > chunk.size()) std::abort();
      passed += scanned->consumed;
      if (scanned->stop == ScanStop::chunk_end) {
        if (chunk.size() - scanned->consumed > HeaderCarry::bytes_max) std::abort();
        break;
      }
      if (!scanner.at_boundary()) std::abort();
    }
  }
  if (bad != expected_bad || visitor.seen.frames != expected.frames) std::abort();
  if (!bad && passed != expected_passed) std::abort();
  return 0;
}
