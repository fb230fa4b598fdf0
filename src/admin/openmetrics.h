// The text format of OpenMetrics 1.0, and the older one of Prometheus, which differ in how counters are named in their
// descriptions. It writes families and samples; metrics.cpp says which.
//
// Label values are configuration names and words of ours (threat 19); they are escaped all the same.
#pragma once

#include "base/clock.h"
#include "base/histogram.h"

#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace sallyport::admin {

/// As samples are written.
inline double seconds(Duration duration) { return std::chrono::duration<double>(duration).count(); }
inline double seconds(WallTime time) {
  return std::chrono::duration<double>(time.time_since_epoch()).count();
}
inline std::uint64_t number(std::uint64_t value) { return value; }

enum class MetricsFormat { openmetrics, prometheus };

std::string_view content_type_of(MetricsFormat format);

using Labels = std::vector<std::pair<std::string_view, std::string_view>>;

class MetricsWriter {
 public:
  explicit MetricsWriter(MetricsFormat format) : format_(format) {}

  /// A family begins; its samples follow at once. `name` without `_total`, ending in `unit` where there is one.
  void counter(std::string_view name, std::string_view help, std::string_view unit = {});
  void gauge(std::string_view name, std::string_view help, std::string_view unit = {});
  void histogram(std::string_view name, std::string_view help);  ///< unit seconds

  /// Of the family that has begun.
  void sample(const Labels& labels, double value);
  void sample(const Labels& labels, std::uint64_t value);
  /// Bucket bounds are the powers of four from 2^`first` to 2^`last` µs; the rest counts as more.
  void sample(const Labels& labels, const Histogram& values, std::size_t first, std::size_t last);

  [[nodiscard]] std::string finish();

 private:
  void family(std::string_view name, std::string_view type, std::string_view help, std::string_view unit);
  void line(std::string_view suffix, const Labels& labels, std::string_view value);

  MetricsFormat format_;
  std::string out_;
  std::string name_;
  bool counter_ = false;
};

}  // namespace sallyport::admin
