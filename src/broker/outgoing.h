// What a peer has not taken yet.
#pragma once

#include "base/bytes.h"
#include "net/stream.h"

#include <cstdint>
#include <memory>
#include <vector>

namespace sallyport::broker {

/// Bytes on their way to a peer that may not take them all now.
class Outgoing {
 public:
  [[nodiscard]] std::size_t pending() const {
    return kept_ == nullptr ? 0 : kept_->bytes.size() - kept_->sent;
  }
  /// Writes what the stream takes and keeps the rest. False: the stream is broken.
  bool send(net::Stream& stream, Bytes bytes);
  /// Keeps bytes without writing, so that they leave with the next ones.
  void hold(Bytes bytes);
  bool flush(net::Stream& stream);

 private:
  struct Kept {
    std::vector<std::uint8_t> bytes;
    std::size_t sent = 0;
    bool blocked = false;  // the stream took no more at the last try: an event will say when it does
  };
  static bool write_some(net::Stream& stream, Bytes& bytes, bool& blocked);

  std::unique_ptr<Kept> kept_;  // null: a peer that takes all at once, as most do
};

}  // namespace sallyport::broker
