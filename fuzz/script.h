// A fuzzer's input as operations: one byte says what, and some of what follows belongs to it.
#pragma once

#include "base/bytes.h"

#include <algorithm>
#include <string>

namespace sallyport::fuzz {

class Script {
 public:
  Script(const std::uint8_t* data, std::size_t size) : rest_{data, size} {}
  [[nodiscard]] bool over() const { return rest_.empty(); }
  /// 0 when it is over.
  std::uint8_t byte() {
    if (rest_.empty()) return 0;
    const auto first = rest_[0];
    rest_ = rest_.subspan(1);
    return first;
  }
  std::string bytes(std::size_t count) {
    count = std::min(count, rest_.size());
    std::string taken{as_text(rest_.first(count))};
    rest_ = rest_.subspan(count);
    return taken;
  }

 private:
  Bytes rest_;
};

}  // namespace sallyport::fuzz
