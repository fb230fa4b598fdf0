#include "broker/outgoing.h"

#include "base/limits.h"

namespace sallyport::broker {

bool Outgoing::write_some(net::Stream& stream, Bytes& bytes, bool& blocked) {
  blocked = false;
  while (!bytes.empty()) {
    const auto result = stream.write(bytes);
    if (result.status == net::IoStatus::would_block) return blocked = true;
    if (result.status != net::IoStatus::ok) return false;
    bytes = bytes.subspan(result.bytes);
  }
  return true;
}

bool Outgoing::send(net::Stream& stream, Bytes bytes) {
  if (pending() != 0) {
    hold(bytes);
    return kept_->blocked || flush(stream);
  }
  bool blocked = false;
  if (!write_some(stream, bytes, blocked)) return false;
  if (bytes.empty()) return true;
  hold(bytes);
  kept_->blocked = blocked;
  return true;
}

void Outgoing::hold(Bytes bytes) {
  if (kept_ == nullptr) kept_ = std::make_unique<Kept>();
  auto& [kept, sent, blocked] = *kept_;
  // What has left makes room, or a peer that is always a little behind would make us keep all it ever got.
  if (sent > kept.size() / 2) {
    kept.erase(kept.begin(), kept.begin() + static_cast<std::ptrdiff_t>(sent));
    sent = 0;
  }
  kept.insert(kept.end(), bytes.begin(), bytes.end());
}

bool Outgoing::flush(net::Stream& stream) {
  if (kept_ == nullptr) return true;
  auto& [kept, sent, blocked] = *kept_;
  Bytes rest = Bytes{kept}.subspan(sent);
  if (!write_some(stream, rest, blocked)) return false;
  sent = kept.size() - rest.size();
  if (!rest.empty()) return true;
  // Memory goes back when it was more than a moment's need: thousands of sessions idle.
  if (kept.capacity() > limits::relay_read_bytes) {
    kept_.reset();
  } else {
    kept.clear();
    sent = 0;
  }
  return true;
}

}  // namespace sallyport::broker
