// Signals as something that can be read from, so that the main thread waits for them and for others in one place.
// They have to be blocked (block_child_signals()).
#pragma once

#include "net/fd.h"

#include <initializer_list>

namespace sallyport::cli {

class SignalQueue {
 public:
  SignalQueue(std::initializer_list<int> numbers);

  /// The next one that has come; 0: none has.
  [[nodiscard]] int next() const;
  [[nodiscard]] int fd() const { return fd_.get(); }

 private:
  net::UniqueFd fd_;
};

/// Waits until one of them can be read from, or for `milliseconds`; -1: for ever. Negative descriptors are left out.
void wait_for_any(std::initializer_list<int> descriptors, int milliseconds);

}  // namespace sallyport::cli
