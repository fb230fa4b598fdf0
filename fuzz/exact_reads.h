// Reads past what was read: the relay's buffer is one for all sessions and longer than any piece, so ASan would see none
// of them. Here everything behind a piece is poisoned until the next read, as if the piece were on the heap alone.
#pragma once

#include "../test/broker/doubles.h"
#include "wire/postgres/frame_scanner.h"

#include <sanitizer/asan_interface.h>

#include <algorithm>

namespace sallyport::fuzz {

class ExactReads final : public test::ReadGuard {
 public:
  ~ExactReads() { stop(); }
  ExactReads() = default;
  ExactReads(const ExactReads&) = delete;

  void watch(MutableBytes buffer) { buffer_ = buffer; }
  void stop() {
    ASAN_UNPOISON_MEMORY_REGION(buffer_.data(), buffer_.size());
    buffer_ = {};
  }

 private:
  // Pieces of headers that were kept are written to the buffer's front before anything is read behind them.
  static constexpr std::size_t front = postgres::HeaderCarry::bytes_max;

  [[nodiscard]] bool holds(const std::uint8_t* at) const {
    return at >= buffer_.data() && at < buffer_.data() + buffer_.size();
  }
  void before_read(MutableBytes into) override {
    if (holds(into.data())) ASAN_UNPOISON_MEMORY_REGION(buffer_.data(), buffer_.size());
  }
  void after_read(MutableBytes into, std::size_t count) override {
    if (!holds(into.data())) return;
    auto* const begin = std::max(into.data() + count, buffer_.data() + front);
    ASAN_POISON_MEMORY_REGION(begin, static_cast<std::size_t>(buffer_.data() + buffer_.size() - begin));
  }
  // What is not passed on as it came: whoever says it is done with the buffer.
  void before_write(Bytes bytes) override {
    if (!holds(bytes.data())) ASAN_UNPOISON_MEMORY_REGION(buffer_.data(), buffer_.size());
  }

  MutableBytes buffer_{};
};

}  // namespace sallyport::fuzz
