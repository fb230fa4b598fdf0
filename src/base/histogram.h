// How long things took, as counts in fixed buckets whose bounds double: one add is a shift and two additions, so that
// it may stand where every session passes. What percentile that is, the reader of the metrics works out.
#pragma once

#include "base/clock.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>

namespace sallyport {

class Histogram {
 public:
  /// Bucket i counts what took at most 2^i µs (and longer than the bucket before): up to six days.
  static constexpr std::size_t buckets = 40;

  void add(Duration took) {
    const auto us = static_cast<std::uint64_t>(std::max<std::int64_t>(took.count(), 0)) / 1'000;
    const auto wanted = static_cast<std::size_t>(us <= 1 ? 0 : std::bit_width(us - 1));
    ++counts_[std::min(wanted, buckets - 1)];
    sum_us_ += us;
  }

  void merge(const Histogram& other) {
    for (std::size_t i = 0; i < buckets; ++i) counts_[i] += other.counts_[i];
    sum_us_ += other.sum_us_;
  }

  /// Of one bucket, not of those below it.
  [[nodiscard]] std::uint64_t count_in(std::size_t bucket) const { return counts_.at(bucket); }
  [[nodiscard]] std::uint64_t count() const {
    std::uint64_t all = 0;
    for (const auto one : counts_) all += one;
    return all;
  }
  [[nodiscard]] std::uint64_t sum_us() const { return sum_us_; }

 private:
  std::array<std::uint64_t, buckets> counts_{};
  std::uint64_t sum_us_ = 0;
};

}  // namespace sallyport
