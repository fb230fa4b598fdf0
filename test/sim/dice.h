// All chance of a simulated run comes from one seed, so that a failure can be run again.
#pragma once

#include "base/clock.h"

#include <chrono>
#include <cstdint>

namespace sallyport::sim {

using namespace std::chrono_literals;

class Dice {
 public:
  explicit Dice(std::uint64_t seed) : state_(seed * 2 + 1) {}

  std::uint64_t next() {  // splitmix64
    std::uint64_t z = (state_ += 0x9e3779b97f4a7c15);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    return z ^ (z >> 31);
  }
  std::uint64_t below(std::uint64_t limit) { return next() % limit; }
  /// Both ends included.
  std::uint64_t between(std::uint64_t low, std::uint64_t high) { return low + below(high - low + 1); }
  bool chance(std::uint64_t percent) { return below(100) < percent; }
  bool permille(std::uint64_t parts) { return below(1000) < parts; }
  Duration ms(std::uint64_t low, std::uint64_t high) {
    return std::chrono::milliseconds{static_cast<std::int64_t>(between(low, high))};
  }
  Duration us(std::uint64_t low, std::uint64_t high) {
    return std::chrono::microseconds{static_cast<std::int64_t>(between(low, high))};
  }
  /// A stream of its own, so that one actor's choices do not shift another's.
  Dice split() { return Dice{next()}; }

 private:
  std::uint64_t state_;
};

class SimRandomness final : public Randomness {
 public:
  explicit SimRandomness(std::uint64_t seed) : dice_(seed) {}
  void fill(MutableBytes out) override {
    for (auto& byte : out) byte = static_cast<std::uint8_t>(dice_.next() >> 56);
  }

 private:
  Dice dice_;
};

}  // namespace sallyport::sim
