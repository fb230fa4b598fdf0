// Walks the frames of one direction of an established session without holding their bodies.
//
// This is the relay's inner loop: a chunk is whatever one read gave, most chunks hold whole small frames,
// and a body may be a gigabyte that passes through many chunks. A visitor is told each frame at its
// header; it lets the body pass unseen, or has it collected whole when it is small.
//
// A header is never consumed in part: when a chunk ends inside one, scan() leaves those 1 … 4 bytes, and
// the caller puts them in front of its next chunk (HeaderCarry). So a frame can be held back, dropped or
// split off before a byte of it was passed on, however the peer cuts its writes.
#pragma once

#include "base/bytes.h"
#include "base/result.h"
#include "wire/postgres/frame.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <vector>

namespace sallyport::postgres {

/// Where a frame lies. `end` may lie beyond the chunk when the body goes on in later ones.
struct Frame {
  char type = 0;
  std::uint32_t body_bytes = 0;
  std::size_t begin = 0;  ///< offset of the type byte in the chunk; in on_body for a body collected over
                          ///< several chunks: 0, as it began in an earlier one
  std::uint64_t end = 0;  ///< offset in the chunk just behind the frame
};

enum class ScanStep : std::uint8_t {
  go_on,
  stop_before,  ///< from on_frame only: leave this frame unconsumed; the next scan shows it again
  stop_after,   ///< consume this frame whole (in later chunks too), then stop
  fail,         ///< stop at once; the visitor keeps the reason
};

enum class ScanStop : std::uint8_t { chunk_end, before_frame, after_frame, failed };

struct Scanned {
  std::size_t consumed = 0;             ///< bytes of the chunk that are decided; pass these on
  ScanStop stop = ScanStop::chunk_end;  ///< chunk_end: all consumed but 0 … 4 bytes of a next header
};

/// A visitor that looks at bodies in passing, however long.
template <class Visitor>
concept WatchesBodies = requires(Visitor visitor, Bytes piece) {
  visitor.wants_pieces(char{});
  visitor.on_piece(piece);
};

/// A visitor has
///
///   bool wants_body(char type, std::uint32_t body_bytes);     asked at every header, cheap
///   ScanStep on_frame(const Frame& frame);                    at the header, when the body is not collected
///   ScanStep on_body(const Frame& frame, Bytes body);         when the body has arrived whole
///
/// and may have
///
///   bool wants_pieces(char type);                             asked after on_frame has let the frame pass
///   void on_piece(Bytes piece);                               its body, as it passes
///
/// on_body's view lies in the chunk when the body does, else in the scanner, and dies with the call.
/// A body above the collecting limit is not collected even if wanted: on_frame is called instead.
class FrameScanner {
 public:
  /// What is kept whole of a body, unless more is wanted.
  static constexpr std::size_t collect_bytes_usual = 16'384;

  /// `body_bytes_max`: longer frames are errors. `collect_bytes_max`: the longest body kept whole.
  explicit FrameScanner(std::size_t collect_bytes_max = collect_bytes_usual,
                        std::uint32_t body_bytes_max = frame_body_bytes_max)
      : collect_bytes_max_(collect_bytes_max), body_bytes_max_(body_bytes_max) {}

  /// True between frames: nothing of a frame has been consumed that is not over, and no piece of a
  /// header was left at the last chunk's end.
  [[nodiscard]] bool at_boundary() const { return body_left_ == 0 && !header_cut_; }

  /// Bytes of the current frame's body still to come; 0 between frames.
  [[nodiscard]] std::uint32_t body_left() const { return body_left_; }

  /// Walks `chunk`, which begins where the last scan's `consumed` ended.
  ///
  /// Errors  invalid_message: a length below 4. limit_exceeded: a body above body_bytes_max. After an
  ///         error the stream cannot be followed any more: close it.
  template <class Visitor>
  Result<Scanned> scan(Bytes chunk, Visitor& visitor);

 private:
  static std::uint32_t load_u32(const std::uint8_t* at) {
    return static_cast<std::uint32_t>(at[0]) << 24 | static_cast<std::uint32_t>(at[1]) << 16 |
           static_cast<std::uint32_t>(at[2]) << 8 | static_cast<std::uint32_t>(at[3]);
  }
  [[nodiscard]] Error bad_length(char type, std::uint32_t length) const;

  /// Goes on with a body that began in an earlier chunk.
  template <class Visitor>
  ScanStep continue_body(Bytes chunk, std::size_t& at, Visitor& visitor);
  /// Begins the frame whose header is at `at`.
  template <class Visitor>
  ScanStep begin_frame(Bytes chunk, std::size_t& at, std::uint32_t body_bytes, Visitor& visitor);

  std::size_t collect_bytes_max_;
  std::uint32_t body_bytes_max_;
  std::uint32_t body_left_ = 0;
  std::uint32_t body_bytes_ = 0;
  char type_ = 0;
  bool collecting_ = false;
  bool watched_ = false;
  bool stop_after_ = false;
  bool header_cut_ = false;
  std::vector<std::uint8_t> collected_;
};

/// Keeps the 0 … 4 bytes of a header that a chunk ended in, for the front of the next chunk.
class HeaderCarry {
 public:
  static constexpr std::size_t bytes_max = frame_header_bytes - 1;

  /// Remembers `tail`, what scan() left at the chunk's end (at most bytes_max bytes).
  void keep(Bytes tail) {
    size_ = std::min(tail.size(), bytes_max);
    std::copy_n(tail.begin(), size_, bytes_.begin());
  }
  /// Writes the remembered bytes to the front of `buffer` and forgets them; returns how many. Read
  /// the next chunk behind them.
  std::size_t restore(MutableBytes buffer) {
    const auto count = size_;
    std::copy_n(bytes_.begin(), count, buffer.begin());
    size_ = 0;
    return count;
  }
  [[nodiscard]] bool empty() const { return size_ == 0; }
  [[nodiscard]] std::size_t size() const { return size_; }

 private:
  std::array<std::uint8_t, bytes_max> bytes_{};
  std::size_t size_ = 0;
};

// ---- Implementation ---------------------------------------------------------------------------

template <class Visitor>
ScanStep FrameScanner::continue_body(Bytes chunk, std::size_t& at, Visitor& visitor) {
  const auto here = std::min<std::size_t>(body_left_, chunk.size() - at);
  if (collecting_) collected_.insert(collected_.end(), chunk.begin() + at, chunk.begin() + at + here);
  if constexpr (WatchesBodies<Visitor>) {
    if (watched_) visitor.on_piece(chunk.subspan(at, here));
  }
  at += here;
  body_left_ -= static_cast<std::uint32_t>(here);
  if (body_left_ != 0) return ScanStep::go_on;
  auto step = stop_after_ ? ScanStep::stop_after : ScanStep::go_on;
  stop_after_ = watched_ = false;
  if (collecting_) {
    collecting_ = false;
    step = visitor.on_body(Frame{type_, body_bytes_, 0, at}, Bytes{collected_});
    collected_.clear();
  }
  return step;
}

template <class Visitor>
ScanStep FrameScanner::begin_frame(Bytes chunk, std::size_t& at, std::uint32_t body_bytes, Visitor& visitor) {
  const char type = static_cast<char>(chunk[at]);
  const auto body_at = at + frame_header_bytes;
  const Frame frame{type, body_bytes, at, static_cast<std::uint64_t>(body_at) + body_bytes};
  const bool whole = frame.end <= chunk.size();
  auto step = ScanStep::go_on;
  if (visitor.wants_body(type, body_bytes) && body_bytes <= collect_bytes_max_) {
    if (whole) {
      at = static_cast<std::size_t>(frame.end);
      return visitor.on_body(frame, chunk.subspan(body_at, body_bytes));
    }
    collecting_ = true;
  } else {
    step = visitor.on_frame(frame);
    if (step == ScanStep::stop_before || step == ScanStep::fail) return step;
    if constexpr (WatchesBodies<Visitor>) watched_ = visitor.wants_pieces(type);
    if (whole && !watched_) {
      at = static_cast<std::size_t>(frame.end);
      return step;
    }
  }
  type_ = type;
  body_bytes_ = body_bytes;
  body_left_ = body_bytes;
  stop_after_ = step == ScanStep::stop_after;
  at = body_at;
  return continue_body(chunk, at, visitor);
}

template <class Visitor>
Result<Scanned> FrameScanner::scan(Bytes chunk, Visitor& visitor) {
  std::size_t at = 0;
  header_cut_ = false;
  auto step = body_left_ == 0 ? ScanStep::go_on : continue_body(chunk, at, visitor);
  while (step == ScanStep::go_on) {
    const auto left = chunk.size() - at;
    if (left < frame_header_bytes) {
      header_cut_ = left != 0;
      return Scanned{at, ScanStop::chunk_end};
    }
    const auto length = load_u32(chunk.data() + at + 1);
    if (length < 4 || length - 4 > body_bytes_max_) [[unlikely]] {
      return bad_length(static_cast<char>(chunk[at]), length);
    }
    step = begin_frame(chunk, at, length - 4, visitor);
  }
  switch (step) {
    case ScanStep::go_on:
    case ScanStep::stop_after: return Scanned{at, ScanStop::after_frame};
    case ScanStep::stop_before: return Scanned{at, ScanStop::before_frame};
    case ScanStep::fail: break;
  }
  return Scanned{at, ScanStop::failed};
}

}  // namespace sallyport::postgres
