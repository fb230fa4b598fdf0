#include "broker/outgoing.h"

#include "base/limits.h"

namespace sallyport::broker {

bool Outgoing::write_some(net::Stream& stream, Bytes& bytes) {
  blocked_ = false;
  while (!bytes.empty()) {
    const auto result = stream.write(bytes);
    if (result.status == net::IoStatus::would_block) return blocked_ = true;
    if (result.status != net::IoStatus::ok) return false;
    bytes = bytes.subspan(result.bytes);
  }
  return true;
}

bool Outgoing::send(net::Stream& stream, Bytes bytes) {
  if (pending() != 0) {
    hold(bytes);
    return blocked_ || flush(stream);
  }
  if (!write_some(stream, bytes)) return false;
  if (!bytes.empty()) hold(bytes);
  return true;
}

void Outgoing::hold(Bytes bytes) {
  // What has left makes room, or a peer that is always a little behind would make us keep all it ever got.
  if (sent_ > bytes_.size() / 2) {
    bytes_.erase(bytes_.begin(), bytes_.begin() + static_cast<std::ptrdiff_t>(sent_));
    sent_ = 0;
  }
  bytes_.insert(bytes_.end(), bytes.begin(), bytes.end());
}

bool Outgoing::flush(net::Stream& stream) {
  Bytes rest = Bytes{bytes_}.subspan(sent_);
  if (!write_some(stream, rest)) return false;
  sent_ = bytes_.size() - rest.size();
  if (rest.empty()) {
    // Memory goes back when it was more than a moment's need: thousands of sessions idle.
    if (bytes_.capacity() > limits::relay_read_bytes) bytes_ = {};
    bytes_.clear();
    sent_ = 0;
  }
  return true;
}

}  // namespace sallyport::broker
