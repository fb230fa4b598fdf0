// For callbacks that may come when the object that they were made for has gone: they hold a line to it, and look
// whether it still leads anywhere. Without callbacks it costs a null pointer.
#pragma once

#include <memory>

namespace sallyport::broker {

class Lifeline {
 public:
  Lifeline() = default;
  ~Lifeline() { cut(); }
  Lifeline(const Lifeline&) = delete;
  Lifeline& operator=(const Lifeline&) = delete;

  /// *line: the object is still there.
  [[nodiscard]] std::shared_ptr<const bool> line() {
    if (alive_ == nullptr) alive_ = std::make_shared<bool>(true);
    return alive_;
  }
  /// Where an object is about to go, and calls others while it does.
  void cut() {
    if (alive_ != nullptr) *alive_ = false;
  }
  /// Lets go of what costs memory if nobody holds a line.
  void rest() {
    if (alive_.use_count() == 1) alive_.reset();
  }

 private:
  std::shared_ptr<bool> alive_;
};

}  // namespace sallyport::broker
