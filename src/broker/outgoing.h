// What a peer has not taken yet.
#pragma once

#include "base/bytes.h"
#include "net/stream.h"

#include <cstdint>
#include <vector>

namespace sallyport::broker {

/// Bytes on their way to a peer that may not take them all now.
class Outgoing {
 public:
  [[nodiscard]] std::size_t pending() const { return bytes_.size() - sent_; }
  /// Writes what the stream takes and keeps the rest. False: the stream is broken.
  bool send(net::Stream& stream, Bytes bytes);
  /// Keeps bytes without writing, so that they leave with the next ones.
  void hold(Bytes bytes);
  bool flush(net::Stream& stream);

 private:
  bool write_some(net::Stream& stream, Bytes& bytes);
  std::vector<std::uint8_t> bytes_;
  std::size_t sent_ = 0;
  bool blocked_ = false;  // the stream took no more at the last try: an event will say when it does
};

}  // namespace sallyport::broker
